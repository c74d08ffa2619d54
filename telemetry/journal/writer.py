"""`JournalWriter`: appends records to a journal, each in one write.

The format, and why a record survives a crash, is described in `telemetry.journal.records`.
"""

from __future__ import annotations

import os

from telemetry.interruption import pass_on
from telemetry.journal.private_files import make_folder, open_private
from telemetry.journal.records import LONGEST_LINE, Record, encode
from telemetry.journal.typed import check_count


class JournalWriter:
    """Appends records to one file.

    Invariants: a record is counted as written only when the kernel took all of it, and nothing is written into,
    nor closed of, a file that another part of the program has opened under the descriptor's number since (code
    that becomes a daemon closes every descriptor). `write` raises OSError for the caller to count; the next
    write starts a line of its own after a torn one.
    """

    def __init__(self, path: str) -> None:
        """Open ``path`` for appending, folders made as needed. Raises OSError, also for what is no regular file."""
        self.path = os.path.abspath(path)  # the training may change its directory
        make_folder(os.path.dirname(self.path))
        self._open()
        self._is_torn = self._ends_torn()

    def _open(self) -> None:
        self._descriptor = open_private(self.path, os.O_RDWR | os.O_APPEND)
        found = os.fstat(self._descriptor)
        self._file = (found.st_dev, found.st_ino)

    def _held(self) -> os.stat_result | None:
        """Return the state of the file, None if the descriptor is closed or another's by now."""
        try:
            found = os.fstat(self._descriptor)
        except OSError as error:
            pass_on(error)
            return None
        return found if (found.st_dev, found.st_ino) == self._file else None

    def _ends_torn(self) -> bool:
        """Whether an earlier writer left a line without its newline: ours must not be glued to it."""
        size = os.fstat(self._descriptor).st_size
        return size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"

    def write(self, record: Record) -> None:
        """Append ``record`` in one write. Raises OSError; part of it may then be in the file.

        If the file was deleted, or its descriptor closed, it is opened anew with this record, and OSError says so
        once.
        """
        held, before = self._held(), self._descriptor
        if held is None:
            self._open()
            self._append(record)
            raise OSError(
                f"{self.path}: its descriptor was closed by the program; it was opened again"
            )
        if held.st_nlink == 0:
            self._open()
            os.close(before)
            self._append(record)
            raise FileNotFoundError(f"{self.path} was deleted; a new journal was begun")
        self._append(record)

    def _append(self, record: Record) -> None:
        line = encode(record)
        if len(line) > LONGEST_LINE:
            raise OSError(f"{self.path}: a record of {len(line):,} bytes is not written: too long")
        try:
            check_count(line)
        except ValueError as error:
            raise OSError(f"{self.path}: a record is not written: {error}") from error
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        written = os.write(self._descriptor, line)
        if written != len(line):  # no room for all of it: why, the rest is told
            written += os.write(self._descriptor, line[written:])
        if written != len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")
        self._is_torn = False

    def close(self) -> None:
        """Give the descriptor back, unless it is another's by now."""
        if self._held() is not None:
            os.close(self._descriptor)
