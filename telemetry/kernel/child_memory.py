"""PSS of a process and its descendants, one process after another within a budget.

PSS divides a shared page among the processes that map it (proc_pid_smaps(5)), so that their sum counts it once; the kernel
walks the page tables for it, 8 ms for a gigabyte. A process that may not be read, or has ended, is left out of the sum.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.kernel.read_budget import SavedBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARE = 0.0004
CAPACITY_SECONDS = 0.03
LONGEST_SECONDS = 0.1
LABEL_SECONDS = 0.01
"""After so long the rest is left for another time."""
STALE_SECONDS = 5.0
"""A size is good for so long."""
_PSS = re.compile(rb"^Pss: +(\d+) kB$", re.MULTILINE)


class ProportionalSizes:
    """The PSS of processes by their folders in /proc, each as it was read last."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._budget = SavedBudget(share=SHARE, capacity=CAPACITY_SECONDS, clock=clock)
        self._known: dict[str, tuple[float, int | None]] = {}
        """By folder, when it was read, and its bytes; None where it may not be read."""

    def read(self, folders: Sequence[str], *, in_full: bool) -> int | None:
        """Read those that are due, as far as the budget goes; return the sum once each was read, else None.

        At a label, ``in_full``, for LABEL_SECONDS at most: somebody waits for it.
        """
        now = self._clock()
        until = now + (LABEL_SECONDS if in_full else LONGEST_SECONDS)
        self._known = {one: self._known[one] for one in folders if one in self._known}
        due = [(self._known.get(one, (0.0, None))[0], one) for one in folders]
        for at, folder in sorted(due):
            is_fresh = folder in self._known and now - at < STALE_SECONDS
            if is_fresh or self._budget.left <= 0 or self._clock() > until:
                break
            with self._budget:
                self._known[folder] = now, _pss(folder)
        if len(self._known) < len({*folders}):
            return None
        sizes = [size for _, size in self._known.values() if size is not None]
        return sum(sizes) if sizes else None

    def of(self, folder: str) -> int | None:
        """Return the bytes of one process as they were read last."""
        return self._known.get(folder, (0.0, None))[1]


def _pss(folder: str) -> int | None:
    try:
        descriptor = os.open(f"{folder}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = _PSS.search(os.read(descriptor, 4096))
        finally:
            os.close(descriptor)
    except OSError as error:
        pass_on(error)
        return None
    return None if found is None else int(found[1]) * 1024
