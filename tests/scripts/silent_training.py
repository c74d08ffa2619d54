"""Join a cgroup, run so many threads in it without recording anything, and end after some seconds."""

from __future__ import annotations

import sys
import threading


def main(folder: str, count: int, seconds: float) -> None:
    """Run ``count`` threads, this one included."""
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    end = threading.Event()
    for _ in range(count - 1):
        threading.Thread(target=end.wait).start()
    end.wait(seconds)
    end.set()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
