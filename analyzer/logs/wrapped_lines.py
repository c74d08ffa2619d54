"""Reads the ``[THREADS]`` lines that something put a prefix in front of, without taking it off each time.

Two prefixes that differ in their digits only name the writer and the time at the same places. So the first of
a shape is looked at with all its layers (`line_prefixes`), and all that follow cost a look into a table. What
is more than a prefix, an unbroken line and nothing behind it is left to `LineReader`, which reads everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.line_prefixes import (
    DOCKER_START,
    MOST_PREFIXES,
    PREFIX_BYTES,
    is_form_of_time,
    name_in,
    next_prefix,
    time_in,
)
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from analyzer.logs.blocks import Block

COUNTS = (
    rb": proc=(\d{1,15}), cgroup=(\d{1,15}|\?)/(\d{1,15}|max|\?), "
    rb"maps=(\d{1,15})/(\d{1,15}|max|\?), rss=(\d{1,12})MB(?:, (rank=[\w-]{1,30}), pid=\d{1,10})?"
)
"""What `format_line` writes behind a label, with a rank and without one."""
# What `format_line` writes, and nothing else. A label without a colon is not gone back in for its end, so most
# lines are asked this first: it is twice as fast.
AS_WRITTEN = re.compile(rb"\[THREADS\] ([^\[\r\n\b\x1b:]*)" + COUNTS + rb"(?=\r?\n)")
_LINE = late_pattern(
    rb"\[THREADS\] ([^\[\r\n\b\x1b]*)"
    + COUNTS
    + rb"""(?:[ "'\\)}\]|;][^\[\r\n\b\x1b]*)?(?:\x1b\[[\d;]*m)*(?=\r?\n)"""
)
_DOCKER = DOCKER_START.encode()
_DOCKER_TAIL = rb'\\n","stream":"std(?:out|err)","time":"([\w:.+-]{1,40})"\}(?=\r?\n)'
_DOCKER_AS_WRITTEN = late_pattern(rb"\[THREADS\] ([^\[\\\x00-\x1f:]*)" + COUNTS + _DOCKER_TAIL)
_DOCKER_LINE = late_pattern(rb"\[THREADS\] ([^\[\\\x00-\x1f]*)" + COUNTS + _DOCKER_TAIL)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
MOST_SHAPES = 4096
"""Kept at once: a log has few, unless what stands before the marker is no prefix."""


class Shape(NamedTuple):
    """Where prefixes of one shape say who wrote a line, and when."""

    is_docker: bool
    writer: tuple[slice | bytes, ...]
    time: slice | None

    def row(self, lead: bytes, match: re.Match[bytes]) -> Row:
        """Return what a line says behind the prefix ``lead``, which has this shape."""
        is_docker, parts, time = self
        values: Sequence[bytes] = match.groups()
        stamp = None if time is None else lead[time]
        if is_docker:
            *values, stamp = values
        writer = b""
        for part in parts:
            writer += part if isinstance(part, bytes) else lead[part]
        return values, writer or None, stamp


Row = tuple[Sequence[bytes], bytes | None, bytes | None]
"""The label and the groups of `COUNTS`; who wrote it and when, by what stands before it or around it."""


class WrappedLines:
    """Reads them; knows the shapes that it has met."""

    def __init__(self) -> None:
        self._shapes: dict[bytes, Shape | None] = {}

    def read(self, block: Block, line_start: int, floor: int, at: int) -> tuple[Row, int] | None:
        """Read the line of the marker at ``at``; return its values and where it ends.

        None where it takes more to read it. What stands before ``floor`` was read already.
        """
        # A line of progress bars has no end.
        if at - line_start > PREFIX_BYTES or (line_start == 0 and block.head):
            return self._read_new(block, line_start, floor, at)
        lead = bytes(block.content[line_start:at])
        shape = self._shapes.get(lead.translate(_DIGITS))
        if shape is None:
            return self._read_new(block, line_start, floor, at)
        match = _match(block, at, is_docker=shape.is_docker)
        return None if match is None else (shape.row(lead, match), match.end())

    def _read_new(
        self, block: Block, line_start: int, floor: int, at: int
    ) -> tuple[Row, int] | None:
        content = block.content
        is_docker = content.startswith(_DOCKER, line_start)
        match = _match(block, at, is_docker=is_docker)
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
        if shape is None or shape.is_docker != is_docker:
            return None
        return shape.row(lead, match), match.end()

    def _shape(self, lead: bytes) -> Shape | None:
        if len(lead) > PREFIX_BYTES:
            return None
        key = lead.translate(_DIGITS)
        try:
            return self._shapes[key]
        except KeyError:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = _shape(lead)
            return shape


def _match(block: Block, at: int, *, is_docker: bool) -> re.Match[bytes] | None:
    """Read what stands behind the marker at ``at``."""
    content, size = block.content, block.size
    if is_docker:
        return _DOCKER_AS_WRITTEN.match(content, at, size) or _DOCKER_LINE.match(content, at, size)
    return AS_WRITTEN.match(content, at, size) or _LINE.match(content, at, size)


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
    if not lead.isascii() or _DOCKER in lead[at:]:
        return None
    coloured = lead.decode("ascii")
    escapes = {place for match in _COLOUR.finditer(coloured) for place in range(*match.span())}
    places = [place for place in range(len(coloured)) if place not in escapes]
    line = "".join(coloured[place] for place in places)
    if not line.isprintable() or (at and (escapes or '"' in line[at:] or "\\" in line)):
        return None
    writer: list[slice | bytes] = []
    times: list[slice] = []
    for _ in range(MOST_PREFIXES):
        if (match := next_prefix(line, at)) is None:
            break
        if (name := name_in(match)) and writer:
            writer.append(b"/")
        writer += (p.encode() if isinstance(p, str) else _before(p, places) for p in name)
        if (said := time_in(match)) is not None:
            times.append(said)
        at = match.end()
    if any(isinstance(p, slice) and not escapes.isdisjoint(range(p.start, p.stop)) for p in writer):
        return None
    tells_time = times and is_form_of_time(line[times[0]])
    return Shape(
        lead.startswith(_DOCKER), tuple(writer), _before(times[0], places) if tells_time else None
    )


def _before(part: slice, places: list[int]) -> slice:
    """Return where ``part`` of a line stood before its colours were taken out."""
    return slice(places[part.start], places[part.stop - 1] + 1)
