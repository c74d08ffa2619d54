"""Join a cgroup, run so many threads in it, say so, and wait to be killed."""

from __future__ import annotations

import sys
import threading


def main(folder: str, count: int) -> None:
    """Run ``count`` threads, this one included."""
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    wait = threading.Event().wait
    for _ in range(count - 1):
        threading.Thread(target=wait, daemon=True).start()
    print("ready", flush=True)
    wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
