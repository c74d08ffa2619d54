"""A fold that starts 3,000 threads, as many in a second as it may, and then aborts, or when it is refused one."""

from __future__ import annotations

import os
import sys
import threading
import time

THREADS = 3_000
AT_ONCE = 50
_STACK_BYTES = 65_536


def main() -> None:
    """Start the threads."""
    threading.stack_size(_STACK_BYTES)
    gate = threading.Event()
    began = time.monotonic()
    try:
        for number in range(THREADS):
            threading.Thread(target=gate.wait, daemon=True).start()
            if number % AT_ONCE == 0:
                time.sleep(max(0.0, began + number / THREADS - time.monotonic()))
    except RuntimeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os.abort()


if __name__ == "__main__":
    main()
