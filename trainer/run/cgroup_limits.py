"""The limits of one fold's cgroup, and sizes as the command line takes them: ``512M``, ``8G``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from telemetry.errors import InputError

_SIZE = re.compile(r"(\d{1,15})(?:([KMGT])(?:i?B)?|B)?", re.IGNORECASE)
_LETTERS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(text: str) -> int:
    """Return the bytes of ``512M`` or ``8G``, in powers of 1024.

    Raises:
        InputError: It is not a size, or it is zero.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise InputError(f"{text!r}: not a size; write 512M or 8G")
    return int(match[1]) * _LETTERS[(match[2] or "").upper()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """What one fold may use; None for no limit of its own.

    Args:
        pids: The most processes and threads.
        memory_bytes: The most memory, in bytes.
    """

    pids: int | None = None
    memory_bytes: int | None = None

    def __bool__(self) -> bool:
        """Whether any limit is set."""
        return bool(self.by_controller())

    def by_controller(self) -> dict[str, int]:
        """Return the limits that are set, by cgroup controller."""
        both = {"pids": self.pids, "memory": self.memory_bytes}
        return {name: limit for name, limit in both.items() if limit is not None}
