"""Epochs, each with one thread more, and each as long as it takes until it is in the journal.

It knows nothing of foldwatch: what it waits for is the file of whoever watches it. It holds
HELD_BYTES, and runs for EPOCHS.
"""

from __future__ import annotations

import os
import threading
import time

JOURNAL = os.path.join(
    os.environ["FOLDWATCH_RUN_DIR"], f"fold-{os.environ['FOLDWATCH_FOLD']}", "journal.jsonl"
)
held = b"x" * int(os.environ.get("HELD_BYTES", "0"))
stop = threading.Event()


def stay(begun: threading.Event) -> None:
    """Say that the thread runs, and stay."""
    begun.set()
    stop.wait()


def labels() -> int:
    """Return how many readings with a label the journal holds."""
    with open(JOURNAL, encoding="utf-8") as file:
        return sum('"kind":"checkpoint"' in line for line in file)


for epoch in range(1, 1 + int(os.environ.get("EPOCHS", "3"))):
    begun = threading.Event()
    threading.Thread(target=stay, args=(begun,), daemon=True).start()
    begun.wait()
    print(f"Epoch {epoch}/3", flush=True)
    while labels() < epoch:
        time.sleep(0.01)
