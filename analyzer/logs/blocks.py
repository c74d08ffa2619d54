"""The bytes of a log, block by block, and the part of them that a terminal would show.

Line ends are newlines, and the carriage returns and backspaces with which progress bars redraw. Memory
is bounded: one block, however long a line is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

BLOCK_BYTES = 2**19
"""Read at a time: what the second-level cache of a core holds."""
OVERLAP_BYTES = 2**12
"""Of a line longer than a block, read again with what follows it, so that nothing is cut in two."""
LONG_LINE_BYTES = 2**6
"""On average: then newlines are counted by taking them out, which looks at many bytes at once."""
HEAD_BYTES = 2**9
"""Of a line's start, kept while the rest of it is read."""

# CSI, OSC and two-character escape sequences: ECMA-48, section 5.4.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_REDRAW = re.compile("[\r\n\b]+")


def strip_escapes(text: str) -> str:
    """Remove terminal escape sequences."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def redraws(text: str) -> list[str]:
    """Return what was drawn one after another in one line, by carriage returns or backspaces."""
    return _REDRAW.split(text)


@dataclass(slots=True, kw_only=True)
class Block:
    """A stretch of a log in memory: ``content[:size]``.

    What begins before ``cut`` is this block's to read and reaches into the rest; what begins behind
    it comes again with the next block. A reader may lower ``cut`` to the start of a line.
    """

    content: bytearray
    size: int
    cut: int
    head: bytes
    """The start of the line that the block continues; empty where it begins one."""
    lines_before: int
    is_last: bool
    has_long_lines: bool
    """Whether those before it were, on average."""

    counted_to: int = 0
    counted: int = 0
    """Newlines before ``counted_to``."""

    def line_number(self, at: int) -> int:
        """Return the number, from 1, of the line that holds offset ``at``; fast if it is near the last one."""
        if at < self.counted_to:
            self.counted -= self._newlines(at, self.counted_to)
        else:
            self.counted += self._newlines(self.counted_to, at)
        self.counted_to = at
        return self.lines_before + self.counted + 1

    def line_numbers(self, places: Sequence[int]) -> list[int]:
        """Return the line numbers of offsets, in their order, which do not fall."""
        if not self.has_long_lines:
            return [*map(self.line_number, places)]
        found = [self.line_number(places[0])]
        done, line = places[0], found[0]
        for at in places[1:]:  # as `_newlines` does, for every line with a reading is counted to
            part = self.content[done:at]
            line += len(part) - len(part.replace(b"\n", b""))
            found.append(line)
            done = at
        self.counted_to, self.counted = done, line - self.lines_before - 1
        return found

    def _newlines(self, start: int, end: int) -> int:
        # count() looks at one byte after another: half as fast as a copy without newlines, if they are few.
        if not self.has_long_lines:
            return self.content.count(b"\n", start, end)
        part = self.content[start:end]
        return len(part) - len(part.replace(b"\n", b""))

    def head_of(self, line_start: int) -> bytes:
        """Return the beginning of the line that starts at ``line_start`` or goes on there."""
        if line_start == 0 and self.head:
            return self.head
        return bytes(self.content[line_start : min(line_start + HEAD_BYTES, self.size)])


class Blocks:
    """Reads ``stream`` block by block; ``lines`` and ``size_bytes`` count what was read so far.

    Reads ``limit_bytes`` at most where given. There is one buffer: a block is gone with the next.
    """

    def __init__(self, stream: BinaryIO, *, limit_bytes: int | None = None) -> None:
        self.lines = 0
        self.size_bytes = 0
        self._stream = stream
        self._left = limit_bytes
        self._buffer = bytearray(BLOCK_BYTES)

    def __iter__(self) -> Iterator[Block]:
        """Give the blocks in their order. Raises OSError."""
        kept, head = 0, b""
        buffer = self._buffer
        while True:
            taken = self._fill(kept)
            is_last = taken == 0
            if (
                0 < taken < len(buffer) - kept
            ):  # most logs fit into one block, which is the last then
                more = self._fill(kept + taken)
                is_last, taken = more == 0, taken + more
            size = kept + taken
            if size == 0:
                self.lines += bool(head)  # the end of the last line was a redraw's
                return
            cut = size if is_last else self._cut(kept, size)
            if cut == 0:
                kept = size
                continue
            block = self._block(size, cut, head, is_last=is_last)
            yield block
            self.lines = block.line_number(block.cut) - 1
            if is_last:
                self.lines += buffer[size - 1] != ord("\n")
                return
            head = self._next_head(block.cut, head)
            kept = size - block.cut
            buffer[:kept] = buffer[block.cut : size]

    def _fill(self, kept: int) -> int:
        free = len(self._buffer) - kept
        if self._left is not None:
            free = min(free, self._left)
        with memoryview(self._buffer) as view:
            taken = self._stream.readinto(view[kept : kept + free]) if free else 0  # type: ignore[attr-defined] # every binary stream has it
        if self._left is not None:
            self._left -= taken
        self.size_bytes += taken or 0
        return taken or 0

    def _cut(self, kept: int, size: int) -> int:
        """Return where to stop reading; 0 where nothing is whole yet and there is room for more."""
        if cut := self._buffer.rfind(b"\n", kept, size) + 1:
            return cut
        if cut := self._buffer.rfind(b"\n", 0, kept) + 1:
            return cut
        if size < len(self._buffer):
            return 0
        half = size // 2
        return (self._buffer.rfind(b"\r", half, size) + 1) or max(half, size - OVERLAP_BYTES)

    def _block(self, size: int, cut: int, head: bytes, *, is_last: bool) -> Block:
        return Block(
            content=self._buffer,
            size=size,
            cut=cut,
            head=head,
            lines_before=self.lines,
            is_last=is_last,
            has_long_lines=self.lines * LONG_LINE_BYTES < self.size_bytes,
        )

    def _next_head(self, cut: int, head: bytes) -> bytes:
        start = self._buffer.rfind(b"\n", 0, cut) + 1
        if start == cut:
            return b""
        if start == 0 and head:
            return head
        return bytes(self._buffer[start : min(start + HEAD_BYTES, cut)])
