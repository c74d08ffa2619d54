"""Ask whether this process has children: before, beside and after one, which is never reaped by it."""

from __future__ import annotations

import subprocess
import sys

from telemetry.kernel.syscalls import has_children

if __name__ == "__main__":
    assert not has_children()
    child = subprocess.Popen(
        [sys.executable, "-c", "input(); pass"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert has_children()
    assert child.stdin is not None
    child.stdin.close()
    is_zombie = False
    while not is_zombie:
        with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
            is_zombie = " Z " in file.read()
    assert has_children()
    assert child.wait() == 1
    assert not has_children()
