"""A fold's process with 41 threads, until its runner has seen them all."""

from __future__ import annotations

import os
import threading

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from tests.support.waiting import wait_until

THREADS = 41
SECONDS = 30


def main() -> None:
    """Start the threads, and end with them."""
    folder = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], f"fold-{os.environ['FOLDWATCH_FOLD']}")
    journal = JournalFollower(os.path.join(folder, "journal.jsonl"))
    seen = threading.Event()
    for _ in range(THREADS - 1):
        threading.Thread(target=seen.wait, daemon=True).start()

    def are_seen() -> bool:
        return any(
            isinstance(record, Reading) and (record.tree_threads or 0) >= THREADS
            for record in journal.poll()
        )

    wait_until(are_seen, SECONDS, "a reading with all threads")
    seen.set()


if __name__ == "__main__":
    main()
