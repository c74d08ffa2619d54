"""The memory of a process and its descendants together, with shared pages counted once, from /proc/PID/smaps_rollup.

RSS counts a shared page in each process that maps it. PSS (proportional set size) divides it among them, so the sum over
processes is what they take together; USS (unique set size) is what would be free if one ended (proc_pid_smaps(5)).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from telemetry.interruption import pass_on
from telemetry.kernel.process_tree import children_of

MOST_PROCESSES = 500
_SIZE = re.compile(
    r"^(Rss|Pss|Private_Clean|Private_Dirty|Private_Hugetlb): +(\d+) kB$", re.MULTILINE
)


class TreeMemory(NamedTuple):
    """The memory of several processes together, in bytes."""

    processes: int
    rss_bytes: int
    """Shared pages count in each."""
    pss_bytes: int
    uss_bytes: int


def read_tree_memory(pid: int) -> TreeMemory | None:
    """Read the memory of ``pid`` and what descends from it; None if none may be read.

    The kernel walks the page tables of each, 8 ms for a gigabyte, and gives way to who waits for the lock of its memory
    maps (since Linux 5.9). A process that ends in between, or may not be read, is left out.
    """
    found: list[dict[str, int]] = []
    waiting = [pid]
    while waiting and len(found) < MOST_PROCESSES:
        one = waiting.pop()
        try:
            waiting += children_of(one)
            found.append(_sizes(one))
        except OSError as error:
            pass_on(error)
    found = [sizes for sizes in found if "Pss" in sizes]
    if not found:
        return None
    rss, pss = (sum(sizes.get(name, 0) for sizes in found) for name in ("Rss", "Pss"))
    own = sum(size for sizes in found for name, size in sizes.items() if name.startswith("Private"))
    return TreeMemory(len(found), rss, pss, own)


def _sizes(pid: int) -> dict[str, int]:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
        return {name: int(size) * 1024 for name, size in _SIZE.findall(file.read())}
