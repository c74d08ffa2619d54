"""Real processes of a run, found from the one that does the work."""

from __future__ import annotations

import platform
import re


def tells_endings_of_others() -> bool:
    """Whether this kernel tells how a process ended that is no child: since Linux 6.15."""
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= (6, 15)


def state_of(pid: int) -> str:
    """Return the state of a process, as in its stat file: R, S, T, Z, ..."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def parent_of(pid: int) -> int:
    """Return the parent of a process: of a fold's that is its supervisor, of a supervisor its agent."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])
