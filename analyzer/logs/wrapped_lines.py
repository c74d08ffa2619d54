"""Reads the ``[THREADS]`` lines that something put a prefix in front of, without taking it off each time.

Two prefixes that differ in their digits only name the writer and the time at the same places. So the first of
a shape is looked at with all its layers (`line_prefixes`), and all that follow cost a look into a table. What
is more than a prefix, an unbroken line and nothing behind it is left to `LineReader`, which reads everything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.line_prefixes import (
    DOCKER_START,
    MOST_PREFIXES,
    PREFIX_BYTES,
    name_in,
    next_prefix,
    time_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.logs.blocks import Block

COUNTS = (
    rb": proc=(\d{1,15}), cgroup=(\d{1,15}|\?)/(\d{1,15}|max|\?), "
    rb"maps=(\d{1,15})/(\d{1,15}|max|\?), rss=(\d{1,12})MB(?:, (rank=[\w-]{1,30}), pid=\d{1,10})?"
)
"""What `format_line` writes behind a label, with a rank and without one."""
_LINE = re.compile(
    rb"\[THREADS\] ([^\[\r\n\b\x1b]*)"
    + COUNTS
    + rb"""(?:[ "'\\)}\]|;][^\[\r\n\b\x1b]*)?(?:\x1b\[[\d;]*m)*(?=\r?\n)"""
)
_DOCKER = DOCKER_START.encode()
_DOCKER_LINE = re.compile(
    rb"\[THREADS\] ([^\[\\\x00-\x1f]*)"
    + COUNTS
    + rb'\\n","stream":"std(?:out|err)","time":"([\w:.+-]{1,40})"\}(?=\r?\n)'
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
MOST_SHAPES = 4096
"""Kept at once: a log has few, unless what stands before the marker is no prefix."""


class Shape(NamedTuple):
    """Where prefixes of one shape say who wrote a line, and when."""

    writer: tuple[slice | bytes, ...]
    time: slice | None

    def writer_in(self, lead: bytes) -> bytes | None:
        """Return who wrote the line behind a prefix of this shape; None where it does not say."""
        parts = [part if isinstance(part, bytes) else lead[part] for part in self.writer]
        return b"".join(parts) if parts else None


NOTHING = Shape((), None)
Row = tuple[bytes | None, ...]
"""The groups of `COUNTS` behind the label, of which the last is the writer, then the time."""


class WrappedLines:
    """Reads them; knows the shapes that it has met."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, Shape | None] = {}
        self._writers: dict[bytes, bytes | None] = {}
        """By prefix, of those in plain text that say no time: who wrote the line."""

    def read(self, block: Block, line_start: int, floor: int, at: int) -> tuple[Row, int] | None:
        """Read the line of the marker at ``at``; return its values and where it ends.

        None where it takes more to read it. What stands before ``floor`` was read already.
        """
        # A line of progress bars has no end.
        lead = bytes(block.content[line_start : min(at, line_start + PREFIX_BYTES + 1)])
        if lead not in self._writers or (line_start == 0 and block.head):
            return self._read_new(block, line_start, floor, at)
        match = _LINE.match(block.content, at, block.size)
        if match is None:
            return None
        *values, rank = match.groups()
        return (*values, self._writers[lead] or rank, None), match.end()

    def _read_new(
        self, block: Block, line_start: int, floor: int, at: int
    ) -> tuple[Row, int] | None:
        content = block.content
        is_docker = content.startswith(_DOCKER, line_start)
        match = (_DOCKER_LINE if is_docker else _LINE).match(content, at, block.size)
        if match is None:
            return None
        redraw = b"\\r" if is_docker else b"\r"
        if line_start == 0 and block.head:
            drawn = content.rfind(redraw, floor, at)
            if drawn < 0 or is_docker:
                return None
            lead = block.head.partition(redraw)[0]
        else:
            drawn = content.find(redraw, line_start, at)
            lead = bytes(content[line_start : at if drawn < 0 else drawn])
        if drawn >= 0 and not _is_plain(content, max(drawn, floor), at, is_docker=is_docker):
            return None
        shape = self._shape(lead)
        if shape is None:
            return None
        values: Sequence[bytes] = match.groups()
        stamp: bytes | None = None
        if is_docker:
            *values, stamp = values
        *values, rank = values
        writer = shape.writer_in(lead)
        if stamp is None and shape.time is not None:
            stamp = lead[shape.time]
        if stamp is None and drawn < 0 and len(self._writers) < MOST_SHAPES:
            self._writers[lead] = writer
        return (*values, writer or rank, stamp), match.end()

    def _shape(self, lead: bytes) -> Shape | None:
        key = lead.translate(_DIGITS)
        try:
            return self._shapes[key]
        except KeyError:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = _shape(lead)
            return shape


def _is_plain(content: bytearray, start: int, end: int, *, is_docker: bool) -> bool:
    """Whether redraws in front of a marker hold nothing that hides or moves it."""
    if content.find(b"\x1b", start, end) >= 0:
        return False
    if not is_docker:
        return True
    escapes = content.count(b"\\", start, end)
    redraws = content.count(b"\\r", start, end)
    return (
        escapes == redraws
        and content.find(b'"', start, end) < 0
        and content.find(rb"\\", start, end) < 0
    )


def _shape(lead: bytes) -> Shape | None:
    """Return what ``lead`` says, by place; None where it is more than prefixes in plain or coloured text."""
    at = len(_DOCKER) if lead.startswith(_DOCKER) else 0
    if len(lead) > PREFIX_BYTES or not lead.isascii() or _DOCKER in lead[at:]:
        return None
    coloured = lead.decode("ascii")
    escapes = {place for match in _COLOUR.finditer(coloured) for place in range(*match.span())}
    places = [place for place in range(len(coloured)) if place not in escapes]
    line = "".join(coloured[place] for place in places)
    if not line.isprintable() or (at and (escapes or '"' in line[at:] or "\\" in line)):
        return None
    writer: list[slice | bytes] = []
    time: slice | None = None
    for _ in range(MOST_PREFIXES):
        if (match := next_prefix(line, at)) is None:
            break
        if (name := name_in(match)) and writer:
            writer.append(b"/")
        writer += (p.encode() if isinstance(p, str) else _before(p, places) for p in name)
        if time is None and (said := time_in(match)) is not None:
            time = _before(said, places)
        at = match.end()
    if any(isinstance(p, slice) and not escapes.isdisjoint(range(p.start, p.stop)) for p in writer):
        return None
    return Shape(tuple(writer), time) if writer or time else NOTHING


def _before(part: slice, places: list[int]) -> slice:
    """Return where ``part`` of a line stood before its colours were taken out."""
    return slice(places[part.start], places[part.stop - 1] + 1)
