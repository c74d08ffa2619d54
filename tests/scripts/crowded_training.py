"""Join a cgroup, run so many threads under two labels, and wait for a line, after which too many are started."""

from __future__ import annotations

import sys
import threading

import telemetry


def main(folder: str, count: int) -> None:
    """Record what happens; the last threads are refused."""
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write("0")
    telemetry.start()
    telemetry.checkpoint("Fold 1/1 START")
    wait = threading.Event().wait
    while threading.active_count() < count:
        threading.Thread(target=wait, daemon=True).start()
    telemetry.checkpoint("Fold 1/1 THREADS")
    threading.Event().wait(float(sys.argv[3]))
    for _ in range(400):
        threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
