"""A real cgroup for each fold, with limits of its own.

Owns where such a cgroup can be made and how its limits are written, for v1 and v2. Sources:
Documentation/admin-guide/cgroup-v2.rst ("No Internal Process Constraint", "Delegation"),
Documentation/admin-guide/cgroup-v1/memory.rst. The supervisor joins, empties and removes it. It must
not know what runs in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from telemetry.errors import InputError

_SIZE = re.compile(r"(\d{1,15})(?:([KMGT])(?:i?B)?|B)?", re.IGNORECASE)
_LETTERS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(text: str) -> int:
    """Return the bytes of ``512M`` or ``8G``, powers of 1024. Raises InputError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise InputError(f"{text!r}: not a size; write 512M or 8G")
    return int(match[1]) * _LETTERS[(match[2] or "").upper()]


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """What one fold may use; None for no limit of its own."""

    pids: int | None = None
    memory_bytes: int | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.by_controller())

    def by_controller(self) -> dict[str, int]:
        """Return the limits that there are."""
        both = {"pids": self.pids, "memory": self.memory_bytes}
        return {name: limit for name, limit in both.items() if limit is not None}
