"""A fold that maps ever more pages, 30,000 a second, until the kernel refuses one; then it aborts."""

from __future__ import annotations

import mmap
import os
import sys
import time

PER_SECOND = 30_000
AT_ONCE = 300
MOST = 200_000
_PROTECTIONS = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
"""In turns, so that no two maps become one."""


def main() -> None:
    """Map until there is no room for another map."""
    held: list[mmap.mmap] = []
    began = time.monotonic()
    try:
        while len(held) < MOST:
            for _ in range(AT_ONCE):
                held.append(mmap.mmap(-1, 4096, prot=_PROTECTIONS[len(held) % 2]))
            time.sleep(max(0.0, began + len(held) / PER_SECOND - time.monotonic()))
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os.abort()


if __name__ == "__main__":
    main()
