"""A tree like torchrun's: a launcher, and three ranks of which one leaks until the kernel refuses it more.

It knows nothing of foldwatch: what it waits for is the file of whoever watches it. Started with the path ``torchrun``,
it is the launcher; else a rank. Rank 1 leaks a little in each epoch, then all that its limit leaves: descriptors, or memory
maps, as LEAKS says. It ends once an alert is in the file ALERTS: a real program takes its time to end.
"""

from __future__ import annotations

import mmap
import os
import resource
import subprocess
import sys
import time
from typing import Any

EPOCHS = 8
LEAKS = os.environ["LEAKS"]
A_STEP = {"open_fds": 20, "maps": 800}[LEAKS]
DESCRIPTORS = 400
PROTECTIONS = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
JOURNAL = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], "fold-1", "journal.jsonl")
ALERTS = os.environ["ALERTS"]
held: list[Any] = []


def leak() -> None:
    """Take one more: maps of two kinds by turns, which the kernel cannot merge. Raises OSError."""
    if LEAKS == "open_fds":
        held.append(os.dup(0))
    else:
        protection = PROTECTIONS[len(held) % 2]
        held.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=protection))


def wait_for(words: str, path: str) -> None:
    """Wait until there is a line with ``words`` in a file."""
    while True:
        with open(path, "a+", encoding="utf-8") as file:
            file.seek(0)
            if any(words in line for line in file):
                return
        time.sleep(0.02)


def run_rank() -> None:
    """Be a rank: rank 1 leaks, the others wait to be told to end."""
    if os.environ["LOCAL_RANK"] != "1":
        time.sleep(3600)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    for epoch in range(EPOCHS):
        for _ in range(A_STEP):
            leak()
        print(f"epoch {epoch}/{EPOCHS}", flush=True)
        wait_for(f"epoch {epoch}", JOURNAL)
    try:
        while True:
            leak()
    except OSError:
        os.read(0, 1)  # at its limit it cannot look at the journal itself
        raise


def main() -> int:
    """Start the ranks, let the failed one end once its limit is told of, and end the others."""
    own = os.path.realpath(__file__)
    ranks = [
        subprocess.Popen(
            [sys.executable, own],
            env={**os.environ, "LOCAL_RANK": str(rank)},
            stdin=subprocess.PIPE,
        )
        for rank in range(3)
    ]
    wait_for("FoldwatchCeilingCritical", ALERTS)
    assert ranks[1].stdin is not None
    ranks[1].stdin.close()
    ranks[1].wait()
    for rank in ranks:
        rank.kill()
        rank.wait()
    return 1


if __name__ == "__main__":
    if "LOCAL_RANK" in os.environ:
        run_rank()
    sys.exit(main())
