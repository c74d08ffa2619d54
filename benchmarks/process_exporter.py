"""process-exporter, where it is installed, watching this process.

It reads from outside, once for each scrape: threads by name, memory, descriptors, and with ``smaps``
the memory of every map. It counts no maps and knows no cgroup.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = shutil.which("prometheus-process-exporter") or shutil.which("process-exporter")
CONFIG = "process_names:\n- name: measured\n  cmdline: ['{word}']\n"
READY_SECONDS = 10.0


@contextlib.contextmanager
def scraped(word: str, *, smaps: bool) -> Iterator[Callable[[], bytes]]:
    """Start it for the processes with ``word`` in their command line; give what scrapes it once."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        path = os.path.join(place, "config.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(word=word))
        port = free_port()
        options = ["-children=false", f"-config.path={path}", f"-gather-smaps={str(smaps).lower()}"]
        running = stack.enter_context(
            subprocess.Popen(
                [PROGRAM, *options, f"-web.listen-address=127.0.0.1:{port}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        stack.callback(running.kill)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        stack.callback(connection.close)

        def scrape() -> bytes:
            try:
                connection.request("GET", "/metrics")
                return connection.getresponse().read()
            except OSError:
                connection.close()
                raise

        _wait_for(scrape)
        yield scrape


def _wait_for(scrape: Callable[[], bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            content = scrape()
        except OSError:
            content = b""
        if b'namedprocess_namegroup_num_procs{groupname="measured"} 1' in content:
            return
        if time.monotonic() > deadline:
            raise RuntimeError("process-exporter does not see the process that is measured")
        time.sleep(0.1)
