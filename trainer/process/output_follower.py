"""Follows the output file of a fold's process, line by line as it is written.

The process writes the file itself, so its output neither waits for the runner nor is lost with it.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from analyzer.logs.blocks import strip_escapes
from telemetry.journal.atomic_write import open_regular

MOST_BEHIND_BYTES = 2**20
"""Of unread output; anything older stays in the file, neither shown nor searched for labels."""
LINE_BYTES = 2**14
"""The end of a longer line is kept."""
REDRAW_SECONDS = 1.0
"""The least time between two updates of a progress bar."""
_LINE_END = re.compile(rb"([\r\n]+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end."""

    text: str
    is_redraw: bool
    """Whether it ended with a carriage return alone: a progress bar, about to be drawn again."""


class OutputFollower:
    """Follows the output at ``path`` from its present end, or from its start if it ``is_new``. Raises OSError."""

    def __init__(self, path: str, *, is_new: bool = False) -> None:
        self._file = open_regular(path)
        if not is_new:
            self._file.seek(0, os.SEEK_END)
        self._rest = b""
        self._redrawn_at = 0.0

    def poll(self) -> list[Line]:
        """Return the lines that came since; of more than MOST_BEHIND_BYTES the last ones."""
        behind = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if behind < 0:  # it was cut, as logrotate's copytruncate does
            self._file.seek(0)
            self._rest = b""
        if behind > MOST_BEHIND_BYTES:
            self._file.seek(behind - MOST_BEHIND_BYTES, os.SEEK_CUR)
            self._rest = b"(more is in the output file) "
        content = self._rest + self._file.read(MOST_BEHIND_BYTES)
        pieces = _LINE_END.split(content)
        # "\r" at the very end may be the first half of "\r\n".
        if len(pieces) > 2 and not pieces[-1] and pieces[-2] == b"\r":
            self._rest = b"".join(pieces[-3:])
            pieces = pieces[:-3]
        else:
            self._rest = pieces.pop()[-LINE_BYTES:]
        return [
            Line(piece[-LINE_BYTES:].decode("utf-8", "replace"), b"\n" not in end)
            for piece, end in zip(pieces[::2], pieces[1::2], strict=True)
        ]

    def finish(self) -> list[Line]:
        """Return the remaining lines; the last one needs no line end."""
        lines = self.poll()
        if self._rest:
            lines.append(Line(self._rest.rstrip(b"\r").decode("utf-8", "replace"), is_redraw=False))
        self.close()
        return lines

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def shown(self, lines: list[Line]) -> list[str]:
        """Return the lines to show, cleaned for a terminal; redraws of a progress bar are thinned out."""
        texts = []
        for line in lines:
            text = printable(line.text)
            if line.is_redraw:
                if not text or time.monotonic() - self._redrawn_at < REDRAW_SECONDS:
                    continue
                self._redrawn_at = time.monotonic()
            texts.append(text)
        return texts


def printable(text: str) -> str:
    """Return ``text`` without escape sequences and with a blank for each control character."""
    plain = strip_escapes(text).expandtabs()
    return "".join(c if c.isprintable() else " " for c in plain).rstrip()
