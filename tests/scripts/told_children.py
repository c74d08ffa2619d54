"""Tell what is read of this process's children: one forked, one started, and torchrun with a rank."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from telemetry.kernel.reader import Reader

WAIT = "print(flush=True); input()"
TORCHRUN = (
    "import os, subprocess, sys\n"
    f"rank = subprocess.Popen([sys.executable, '-c', {WAIT!r}], env={{**os.environ, 'LOCAL_RANK': '1'}})\n"
    "rank.wait()\n"
)


def main() -> None:
    """Start them, read, print, end them."""
    hold, release = os.pipe()
    forked = os.fork()
    if not forked:
        os.close(release)
        os.read(hold, 1)
        os._exit(0)
    pipe = subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "torchrun")
        with open(path, "w", encoding="utf-8") as file:
            file.write(TORCHRUN)
        started = [
            subprocess.Popen([sys.executable, *arguments], stdin=pipe, stdout=pipe)
            for arguments in (["-c", WAIT], [path, "train.py"])
        ]
        for one in started:
            assert one.stdout is not None
            one.stdout.readline()
        reader = Reader()
        reading = reader.read()
        pss_bytes = reading.tree_pss_bytes
        while pss_bytes is None:  # on a busy machine a label does not wait for all of it
            pss_bytes = reader.read(in_full=False).tree_pss_bytes
    children = sorted(reading.children or (), key=lambda child: child.role)
    alone = [Reader(pid=child.pid).read() for child in children]
    told = {
        "roles": [child.role for child in children],
        "maps": [child.maps for child in children],
        "maps_read_alone": [one.maps for one in alone],
        "fds": [child.open_fds for child in children],
        "fds_read_alone": [one.open_fds for one in alone],
        "sum_of_maps": reading.tree_maps,
        "own_maps": reading.maps,
        "pss": pss_bytes,
        "rss": reading.tree_rss_bytes,
    }
    os.close(release)
    os.waitpid(forked, 0)
    for one in started:
        one.communicate(b"\n")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
