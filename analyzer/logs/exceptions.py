"""The exception that a traceback in a block comes to, whatever stands in front of its lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.logs.blocks import HEAD_BYTES, redraws
from analyzer.logs.line_prefixes import unwrap
from analyzer.signatures.search import SignatureMatch, exception_match
from analyzer.signatures.signature import NOTICE
from analyzer.signatures.tracebacks import (
    FILE_WRITTEN,
    IGNORED,
    TRACEBACK,
    TRACEBACK_LINES,
    read_traceback,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.logs.blocks import Block
    from analyzer.logs.line_prefixes import Unwrapped
    from analyzer.signatures.search import SignatureTable
    from analyzer.signatures.tracebacks import LoggedException

_FALLS_BACK = re.compile(r"(?<!not )\bfalling back (?:to|on)\b|\busing \S+ instead\b")
"""In an exception that its program prints and goes on from."""
_FAILED = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b")
_IN_SHARED_MEMORY = re.compile(rb"/dev/shm|[Mm]emory file system|\btmpfs\b|\bramdisk\b")
ABOVE_BYTES = 2**13
"""Above a traceback, looked through for a folder in /dev/shm that the run writes to."""
TRACEBACK_BYTES = 2**15
"""Below the first line of a traceback, looked through for its end."""


def exception_below(  # noqa: PLR0913 - a line, and where it stands
    block: Block,
    raw: Unwrapped,
    prefix: str,
    table: SignatureTable,
    *,
    start: int,
    end: int,
    number: int,
) -> tuple[list[SignatureMatch], Unwrapped] | None:
    """Return the sign of the exception and who wrote it; None where it is ignored, or not in memory.

    Above the sign stands the frame of one that arose as a file was written.

    Args:
        block: What is in memory.
        raw: The line that a traceback begins in.
        prefix: The start of that line, where ``raw`` is a later redraw of it.
        table: The signatures that may know the exception.
        start: Where the line starts in the block.
        end: Where it ends there.
        number: Its number in the log.
    """
    first = unwrap(raw.text, stamp=raw.stamp)
    origin = unwrap(prefix) if prefix else first
    above = block.content.rfind(b"\n", 0, max(0, start - 1)) + 1
    if IGNORED.encode() in block.content[above : above + HEAD_BYTES].partition(b"\n")[0]:
        return None
    lines, places = [first.text], [0]
    far = min(block.size, end + TRACEBACK_BYTES)
    below = bytes(block.content[end + 1 : far]).decode("utf-8", "replace")
    for place, line in enumerate(below.split("\n")[:TRACEBACK_LINES], start=1):
        found = unwrap(redraws(line.rstrip("\r"))[-1])
        if found.writer == origin.writer:
            lines.append(found.text)
            places.append(place)
    exception = read_traceback(lines)
    if exception is None:
        return None
    line_number = number + places[exception.lines_below]
    known = table.find_match(exception.text, line=line_number, at_any_level=True)
    sign = exception_match(exception, line=line_number, known=known)
    sign = sign._replace(is_handled=_is_handled(exception, lines))
    shown = block.content[max(0, start - ABOVE_BYTES) : start]
    if exception.writes_file and not _IN_SHARED_MEMORY.search(shown):
        frame = SignatureMatch(FILE_WRITTEN, number, lines[0], is_frame=True)
        return [frame, sign], origin
    return [sign], origin


def _is_handled(exception: LoggedException, lines: Sequence[str]) -> bool:
    """Whether a logger wrote it at a level below an error, or its writer says that it fell back and goes on."""
    if exception.lines_below == 0:
        above = lines[0].partition(TRACEBACK)[0]
        return NOTICE.search(above) is not None and _FAILED.search(above) is None
    goes_on = any(line.strip() for line in lines[exception.lines_below + 1 :])
    return goes_on and _FALLS_BACK.search(exception.text) is not None
