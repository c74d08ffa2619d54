"""The counters of another process that are read many times a second."""

from __future__ import annotations

import subprocess
import sys

from telemetry.kernel.quick_look import QuickLook
from telemetry.kernel.syscalls import Buffer

WAITING = "import sys; print(flush=True); sys.stdin.read()"


def test_its_sizes_are_those_of_its_counters_and_gone_with_it() -> None:
    """The kernel may have given both files different sums of the same counters of each CPU."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        look = QuickLook(process.pid, patient=Buffer(1 << 16, gives_way=True))
        sizes, counters = look.sizes(), look.read()
        assert sizes is not None
        assert counters is not None
        assert sizes.virtual_bytes == counters.virtual_bytes
        assert abs(sizes.rss_bytes - counters.rss_bytes) < 2**20
        process.kill()
        process.communicate()
        assert _is_gone(look)
        look.close()


def _is_gone(look: QuickLook) -> bool:
    try:
        return look.sizes() is None
    except ProcessLookupError:
        return True
