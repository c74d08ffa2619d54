"""Join a cgroup, leave so many zombies in it, say so, and wait to be killed."""

from __future__ import annotations

import os
import sys
import threading


def main(folder: str, count: int) -> None:
    """Start ``count`` processes that end at once and are never reaped."""
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    for _ in range(count):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
