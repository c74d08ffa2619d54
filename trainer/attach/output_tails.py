"""`OutputTails`: the ends of the files that an attached process writes its output to, for the record of how it ended."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.journal.atomic_write import is_regular
from telemetry.journal.private_files import open_private

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL_BYTES = 2**20
"""Of each file: a last message, and what led to it."""
_STANDARD = (1, 2)


class OutputTails:
    """Holds the files that standard output and standard error of a process go to, and its log."""

    def __init__(self, pid: int, log: str | None) -> None:
        """Open those that are regular files; what cannot be read is left out."""
        self._descriptors: dict[tuple[int, int], int] = {}
        """By device and inode: both streams may go to one file."""
        for path in (*([log] if log else []), *(f"/proc/{pid}/fd/{one}" for one in _STANDARD)):
            with suppress(OSError):
                self._hold(path)

    def _hold(self, path: str) -> None:
        if not is_regular(path):  # a pipe that is opened has one reader more
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        if (key := (found.st_dev, found.st_ino)) in self._descriptors:
            os.close(descriptor)
        else:
            self._descriptors[key] = descriptor

    def write(self, path: str, *, more: Sequence[str] = ()) -> None:
        """Write the ends of all, and the lines ``more``, into one file. Raises OSError."""
        tails = [tail for one in self._descriptors.values() if (tail := _tail(one))]
        tails += ["\n".join(more).encode()] if more else []
        if tails:
            descriptor = open_private(path, os.O_WRONLY | os.O_TRUNC)
            with open(descriptor, "wb") as file:
                file.write(b"\n".join(tails))

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}


def _tail(descriptor: int) -> bytes:
    """Return the last lines of a file; empty if it cannot be read any more."""
    with suppress(OSError):
        start = max(0, os.fstat(descriptor).st_size - TAIL_BYTES)
        content = os.pread(descriptor, TAIL_BYTES, start)
        return content[content.find(b"\n") + 1 :] if start else content
    return b""
