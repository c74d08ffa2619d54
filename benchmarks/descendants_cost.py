"""What the descendants of a training cost it: a tree of 40 processes whose maps change all the while.

A process reads itself once a second, two of ten times at a label, and before all others it looks at its children, as the
recorder's timer does. Beside each reading it reads a
process without children in the same way; what the tree costs is the difference, as a share of the time that passed. The
budgets are used up before, so that what they save for the beginning is not in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack

from telemetry.kernel.children_aside import ChildrenAside
from telemetry.kernel.reader import Reader

PROCESSES = 40
LABEL_EVERY = 10
"""Readings, of which two are at labels."""
READINGS = 120
USED_UP_AFTER = 30
"""Readings, four a second."""
WORKER = """
import mmap, sys, threading, time
hold = threading.Event()
for _ in range(7):
    threading.Thread(target=hold.wait, daemon=True).start()
protections = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
held = [mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=protections[n % 2]) for n in range(2000)]
print(flush=True)
while True:
    time.sleep(0.25)
    held.append(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=protections[len(held) % 2]))
"""
"""Eight threads and 2,000 maps, as PyTorch has, and one more map four times a second."""


def seconds_of(reader: Reader, *, in_full: bool) -> float:
    """Return the CPU time of a reading."""
    began = time.thread_time()
    if not in_full:
        reader.children.look()
    reader.read(in_full=in_full)
    return time.thread_time() - began


def main() -> None:
    """Print the share of wall time that the tree costs, and what it told."""
    with ExitStack() as undo:
        alone = undo.enter_context(
            subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        )
        undo.callback(alone.kill)
        for _ in range(PROCESSES):
            worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE)
            undo.enter_context(worker)
            undo.callback(worker.kill)
            assert worker.stdout is not None
            worker.stdout.readline()
        readers = (
            Reader(pid=os.getpid(), children=ChildrenAside(pid=os.getpid())),
            Reader(pid=alone.pid, children=ChildrenAside(pid=alone.pid)),
        )
        first = time.thread_time()
        readers[0].read()
        readers[0].children.look()
        known = readers[0].read()
        first = time.thread_time() - first
        for _ in range(USED_UP_AFTER):
            time.sleep(0.25)
            seconds_of(readers[0], in_full=False)
        spent = [0.0, 0.0]
        began = time.perf_counter()
        for number in range(READINGS):
            time.sleep(max(0.0, began + number - time.perf_counter()))
            for place in (0, 1) if number % 2 else (1, 0):  # the first finds the caches cold
                in_full = number % LABEL_EVERY < 2
                spent[place] += seconds_of(readers[place], in_full=in_full)
        wall = time.perf_counter() - began
    print(
        json.dumps(
            {
                "processes": PROCESSES,
                "share": (spent[0] - spent[1]) / wall,
                "first_reading_seconds": first,
                "of_a_process_alone": spent[1] / wall,
                "children_told": len(known.children or ()),
            }
        )
    )


if __name__ == "__main__":
    main()
