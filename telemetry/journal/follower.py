"""`JournalFollower`: reads a journal that is being written, or one that a crash has torn.

The format is described in `telemetry.journal.records`.
"""

from __future__ import annotations

import errno
import math
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.journal.atomic_write import open_regular
from telemetry.journal.records import LONGEST_LINE, MEBIBYTE, Record, decode
from telemetry.journal.skipped_line import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

CHUNK_BYTES = 64 * 2**10
HEAD_BYTES = 256
"""Of a header or a reading: its time and its process are in them."""
SKIPPED_KEPT = 1000


class JournalFollower:
    """Reads a journal that is being written, as ``tail -F`` does.

    Invariants: only whole lines are taken, a last line without its newline waits for the next poll;
    and what is held is bounded whatever the file holds: LONGEST_LINE of a line, SKIPPED_KEPT reasons.
    A file that was deleted, cut, or replaced by another one is read anew from its start, and
    ``restarts`` counts it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines = 0
        self.skipped: list[SkippedLine] = []
        """Whole lines that could not be decoded; the first SKIPPED_KEPT of them."""
        self.more_skipped = 0
        self.restarts = 0
        self._begin()

    def _begin(self) -> None:
        self.lines = self.more_skipped = self._offset = 0
        self.skipped = []
        self._head = self._rest = b""
        self._is_overlong = False
        self._seen: tuple[int, int] | None = None
        """Size and time of change of a file that was read to its end."""

    def poll(self, *, until: float = math.inf) -> list[Record]:
        """Return the records that came since the last poll; see `stream`."""
        return list(self.stream(until=until))

    def finish(self) -> list[Record]:
        """Return the records up to the end; see `stream_to_end`."""
        return list(self.stream_to_end())

    def stream(self, *, until: float = math.inf) -> Iterator[Record]:
        """Give the records that came since, in the memory of a chunk; none while the file is missing.

        Nothing more is begun at ``until``, of time.monotonic; the next call goes on from there.
        Raises OSError if the file is there and cannot be read, or is no regular one.
        """
        try:
            found = os.stat(self.path)
            if (found.st_size, found.st_mtime_ns) == self._seen:
                return
            with open_regular(self.path) as file:
                yield from self._read(file, until)
        except FileNotFoundError:
            if self._offset:
                self._restart()
            return
        is_whole = self._offset == found.st_size
        self._seen = (found.st_size, found.st_mtime_ns) if is_whole else None

    def skip(self) -> None:
        """Pass over what is there now, however much. Raises OSError if it is no regular file."""
        with suppress(FileNotFoundError), open_regular(self.path) as file:
            self._head = file.read(HEAD_BYTES) or b""
            self._offset = os.fstat(file.fileno()).st_size

    def stream_to_end(self) -> Iterator[Record]:
        """Give the records up to the end: what is there without a newline was torn by a crash or a full disk."""
        yield from self.stream()
        if not os.path.exists(self.path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        rest, self._rest = self._rest, b""
        if rest or self._is_overlong:
            yield from self._decode(rest)

    def _read(self, file: FileIO, until: float) -> Iterator[Record]:
        if not self._is_same(file):
            self._restart()
        while time.monotonic() < until:
            self._pass_hole(file)
            file.seek(self._offset)
            if not (chunk := file.read(CHUNK_BYTES)):
                break
            if len(self._head) < HEAD_BYTES:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
            self._offset += len(chunk)
            yield from self._take(chunk)

    def _pass_hole(self, file: FileIO) -> None:
        """Pass over a hole, which reads as NULs, of any size: it takes no disk, and hours to read."""
        try:
            data = os.lseek(file.fileno(), self._offset, os.SEEK_DATA)
        except OSError as error:  # no data behind, or a file system that knows no holes
            data = os.fstat(file.fileno()).st_size if error.errno == errno.ENXIO else 0
        if data > self._offset:
            self._skip(f"a hole of {data - self._offset:,} bytes")
            self._offset, self._rest = data, self._rest + b"\0"

    def _is_same(self, file: FileIO) -> bool:
        """Whether the file is the one read so far: as long at least, and with the same first bytes.

        Not by its inode: file systems give a deleted file's number to the next new one.
        """
        if os.fstat(file.fileno()).st_size < self._offset:
            return False
        return os.pread(file.fileno(), len(self._head), 0) == self._head

    def _restart(self) -> None:
        self._begin()
        self.restarts += 1

    def _take(self, chunk: bytes) -> list[Record]:
        whole, newline, rest = chunk.rpartition(b"\n")
        records = self._decode(self._rest + whole) if newline else []
        if newline:
            self._rest = rest
        elif not self._is_overlong:
            self._rest += rest
        if len(self._rest) > LONGEST_LINE:
            if not self._is_overlong:
                self._skip(f"longer than {LONGEST_LINE // MEBIBYTE} MiB")
            self._rest, self._is_overlong = b"", True
        return records

    def _decode(self, content: bytes) -> list[Record]:
        records = []
        for line in content.split(b"\n"):
            self.lines += 1
            if self._is_overlong:
                self._is_overlong = False  # which was counted when it became so
            elif line.strip(b"\0 \t"):
                try:
                    records.append(decode(line))
                except ValueError as error:
                    self._skip(str(error))
        return records

    def _skip(self, reason: str) -> None:
        if len(self.skipped) < SKIPPED_KEPT:
            self.skipped.append(SkippedLine(self.lines, reason[:200]))
        else:
            self.more_skipped += 1
