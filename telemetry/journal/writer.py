"""`JournalWriter`: appends records to a journal, each in one write.

The format, and why a record survives a crash, is described in `telemetry.journal.records`.
"""

from __future__ import annotations

import os

from telemetry.journal.records import Record, encode


class JournalWriter:
    """Appends records to one file.

    Invariant: a record is counted as written only when the kernel took all of it. `write` raises
    OSError for the caller to count; the next write starts a line of its own after a torn one.
    """

    def __init__(self, path: str) -> None:
        """Open ``path`` for appending, folders made as needed. Raises OSError."""
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.path = path
        self._descriptor = self._open()
        self._is_torn = self._ends_torn()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self.path, flags, 0o644)

    def _ends_torn(self) -> bool:
        """Whether an earlier writer left a line without its newline: ours must not be glued to it."""
        size = os.fstat(self._descriptor).st_size
        return size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"

    def write(self, record: Record) -> None:
        """Append ``record`` in one write. Raises OSError; part of it may then be in the file.

        If the file was deleted, a new one is begun with this record, and OSError says so once.
        """
        if os.fstat(self._descriptor).st_nlink == 0:
            deleted, self._descriptor = self._descriptor, self._open()
            os.close(deleted)
            self._append(record)
            raise FileNotFoundError(f"{self.path} was deleted; a new journal was begun")
        self._append(record)

    def _append(self, record: Record) -> None:
        line = encode(record)
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")
        self._is_torn = False

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
