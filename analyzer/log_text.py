"""From the bytes of a log to the few lines that matter, with their numbers.

Owns line ends (newline, and the carriage returns that progress bars redraw with), terminal escapes
and broken encodings. Most of a training log is progress bars, so lines are not split one by one:
blocks are searched for a handful of literals. It must not know what a line says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK_BYTES = 2**20
"""Read at a time; a line longer than this is cut, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line as a terminal would show it last: one segment between carriage returns, no escapes."""

    number: int
    """Line in the file, from 1, counted by newlines."""
    text: str
    is_whole: bool = True
    """False for the last line of a file that does not end in a newline: it may be cut."""


# CSI, OSC and two-character escape sequences: ECMA-48, section 5.4.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def strip_escapes(text: str) -> str:
    """Remove terminal escape sequences."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


class LineSearch:
    """Finds the lines of a stream that hold one of ``needles``.

    After iterating, ``lines`` counts all lines and ``has_nul`` says whether there was a NUL byte.
    """

    def __init__(self, stream: BinaryIO, needles: Sequence[bytes]) -> None:
        self.lines = 0
        self.has_nul = False
        self.size_bytes = 0
        self._stream = stream
        self._needles = needles

    def __iter__(self) -> Iterator[TextLine]:
        """Give the matching lines in their order. Raises OSError."""
        rest = b""
        while block := self._stream.read(BLOCK_BYTES):
            self.size_bytes += len(block)
            self.has_nul = self.has_nul or b"\0" in block
            block = rest + block
            cut = block.rfind(b"\n") + 1
            if cut == 0 and len(block) > BLOCK_BYTES:
                cut = block.rfind(b"\r") + 1 or len(block)
            rest = block[cut:]
            block = block[:cut]
            yield from self._matches(block)
            self.lines += block.count(b"\n")
        if rest:
            yield from self._matches(rest, is_whole=False)
            self.lines += 1

    def _matches(self, block: bytes, *, is_whole: bool = True) -> Iterator[TextLine]:
        spans = {start: end for needle in self._needles for start, end in _spans(block, needle)}
        counted, number = 0, self.lines + 1
        for start, end in sorted(spans.items()):
            number += block.count(b"\n", counted, start)
            counted = start
            text = strip_escapes(block[start:end].decode("utf-8", "replace"))
            yield TextLine(number, text, is_whole=is_whole or end < len(block))


def _spans(block: bytes, needle: bytes) -> Iterator[tuple[int, int]]:
    """Give start and end of each segment that holds ``needle``.

    Every search is bounded by the segment before it or by the line's end, so that a block without
    line ends and one with nothing else cost the same.
    """
    floor, newline = 0, -1
    at = block.find(needle)
    while at >= 0:
        if newline < at:
            newline = block.find(b"\n", at)
            newline = len(block) if newline < 0 else newline
        start = max(block.rfind(b"\n", floor, at) + 1, floor)
        start = max(block.rfind(b"\r", start, at) + 1, start)
        redraw = block.find(b"\r", at, newline)
        floor = newline if redraw < 0 else redraw
        yield start, floor
        at = block.find(needle, floor)
