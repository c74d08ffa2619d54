"""`KernelFile`: a kernel file that stays open and is read again and again into the same buffer.

At a limit nothing new can be opened or allocated, so descriptor and buffer are taken up front: a
process that holds 65,530 maps gets ENOMEM for a fresh buffer but still reads into an old one.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from telemetry.interruption import pass_on
from telemetry.kernel.syscalls import Buffer, close_file, open_file, read_at

PAGE_BYTES = 4096
SETTLED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class KernelFileLines:
    """How many lines a file has, of how many bytes, and its last 64 bytes."""

    count: int
    size_bytes: int
    tail: bytes


class KernelFile:
    """One file of procfs, sysfs or a cgroup, read from its start at every `read`.

    Invariant: at most one descriptor is open. A held descriptor that fails is opened anew once: a
    cgroup that was removed and made again gives ENODEV on its old descriptors for ever. A descriptor that another
    part of the program has closed, and may have opened as a file of its own, is not closed here.
    """

    __slots__ = ("_buffer", "_descriptor", "_file", "path")

    def __init__(self, path: str, *, size: int = 4096, buffer: Buffer | None = None) -> None:
        """Take where it is, and a buffer that files share which one thread reads after another."""
        self.path = path
        self._buffer = buffer or Buffer(size)
        self._descriptor = -1
        self._file: tuple[int, int] | None = None

    def hold(self) -> int:
        """Open the file now rather than at the first read; return its descriptor. Raises OSError."""
        if self._descriptor < 0:
            self._descriptor = open_file(self.path, self._buffer)
            self._file = file_identity(self._descriptor)
        return self._descriptor

    @property
    def is_lost(self) -> bool:
        """Whether its descriptor is closed, or is another file's by now."""
        return self._descriptor >= 0 and file_identity(self._descriptor) != self._file

    def read(self) -> bytes:
        """Return the content, up to the buffer's size; raises OSError."""
        size = self._read_start()  # before the view is cut: the read fills it
        return bytes(self._buffer.view[:size])

    def count_lines(self) -> KernelFileLines:
        """Count the lines of the whole content, of any length.

        procfs hands out at most a page per read, so this loops 1,500 times for 60,000 maps; what the
        loop does besides reading is what counting costs. Raises OSError.
        """
        buffer, view = self._buffer, self._buffer.view
        total, tail, filled = 0, b"", self._read_start()
        size, offset, descriptor = filled, filled, self._descriptor
        while size:
            if buffer.size - filled < PAGE_BYTES:
                total += self._newlines(filled)
                tail, filled = bytes(view[filled - 64 : filled]), 0
            size = read_at(descriptor, buffer, offset, into=filled)
            offset, filled = offset + size, filled + size
        total += self._newlines(filled)
        return KernelFileLines(
            total, offset, (tail + bytes(view[max(0, filled - 64) : filled]))[-64:]
        )

    def _newlines(self, filled: int) -> int:
        """Count by what replace() takes away: it looks with memchr, at a fifth of count()'s time."""
        content = self._buffer.view[:filled]
        try:
            return filled - len(bytes(content).replace(b"\n", b""))
        except MemoryError as error:  # at the map limit there may be no room for a copy
            pass_on(error)
            return sum(byte == 0x0A for byte in content)

    def _read_start(self) -> int:
        """Read from the start into the buffer and return how many bytes came; raises OSError."""
        was_held = self._descriptor >= 0
        descriptor = self.hold()
        try:
            return read_at(descriptor, self._buffer, 0)
        except OSError as error:
            pass_on(error)
            self.close()
            if not was_held:
                raise
        return read_at(self.hold(), self._buffer, 0)

    def close(self) -> None:
        """Give the descriptor back; a later read opens the file again."""
        is_own = self._descriptor >= 0 and not self.is_lost
        descriptor, self._descriptor = self._descriptor, -1
        if is_own:
            close_file(descriptor)


class SettledFile:
    """A kernel file that is hardly ever changed: read again after SETTLED_SECONDS, and not held open between.

    A value from before stays where it cannot be read again, as at a limit of descriptors.
    """

    def __init__(self, path: str) -> None:
        self._file = KernelFile(path)
        self._content: bytes | None = None
        self._read_again_at = 0.0

    def read(self) -> bytes:
        """Return the content; raises OSError if it was never readable."""
        now = time.monotonic()
        if self._content is None or now >= self._read_again_at:
            self._read_again_at = now + SETTLED_SECONDS
            try:
                self._content = self._file.read()
            except OSError as error:
                pass_on(error)
                if self._content is None:
                    raise
            finally:
                self._file.close()
        return self._content


def file_identity(descriptor: int) -> tuple[int, int] | None:
    """Return which file a descriptor is of, by device and inode; None if it is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError as error:
        pass_on(error)
        return None
    return found.st_dev, found.st_ino
