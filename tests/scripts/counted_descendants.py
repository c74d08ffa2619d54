"""Count this process's descendants down to the grandchildren; a thread other than the main one starts the child."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from telemetry.kernel.tasks import read_descendants, read_tasks

CHILD = (
    "import subprocess, sys\n"
    "grandchild = subprocess.Popen([sys.executable, '-c', 'print(flush=True); input()'], "
    "stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
    "grandchild.stdout.readline()\n"
    "print('ready', flush=True); input()\n"
    "grandchild.communicate(b'\\n')\n"
)

if __name__ == "__main__":
    found: list[subprocess.Popen[bytes]] = []
    begun, hold = threading.Event(), threading.Event()

    def start() -> None:
        pipe = subprocess.PIPE
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe)
        assert child.stdout is not None
        child.stdout.readline()
        found.append(child)
        begun.set()
        hold.wait()  # the kernel lists a child with the thread that started it

    assert read_tasks(os.getpid()).children == []
    thread = threading.Thread(target=start)
    thread.start()
    begun.wait()
    below = read_descendants(os.getpid(), read_tasks(os.getpid()).children)
    assert len(below) == 2, below
    assert [one.status.threads for one in below] == [1, 1], below
    assert all((one.status.rss_bytes or 0) > 2**19 for one in below), below
    hold.set()
    thread.join()
    found[0].communicate(b"\n")
