"""Runs its arguments as a command, waits for its end, and goes on until it is read itself.

It knows nothing of foldwatch: what it waits for is the file of whoever watches it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

JOURNAL = os.path.join(
    os.environ["FOLDWATCH_RUN_DIR"], f"fold-{os.environ['FOLDWATCH_FOLD']}", "journal.jsonl"
)


def last_line() -> str:
    """Return the last whole line of the journal."""
    with open(JOURNAL, encoding="utf-8") as file:
        return file.read().rpartition("\n")[0].rpartition("\n")[2]


subprocess.run(sys.argv[1:], check=True)
while f'"pid":{os.getpid()},' not in last_line():
    time.sleep(0.01)
