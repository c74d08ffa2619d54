"""Messages that a narrow terminal broke into lines of the same length, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyzer.signatures.search import LITERALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.logs.blocks import Block
    from analyzer.signatures.search import SignatureMatch, SignatureTable

Around = tuple[Sequence[str], Sequence[str]]
"""The lines above a line, and those below it."""

LONG = 20
"""Characters of a literal whose halves are searched for as well; those of a shorter one are everywhere."""
PIECES = (
    *(
        half
        for literal in LITERALS
        if len(literal) >= LONG
        for half in (literal[: len(literal) // 2], literal[len(literal) // 2 :])
    ),
    # Begin messages that are longer than a terminal is wide, and of which the literals are short.
    "Check failed: ret == 0",
    "blas_thread_init: ",
)
"""One stands in every message whose literals a narrow terminal broke: no break is in both halves."""
AROUND_BYTES = 400
"""On each side of a line, looked at for the rest of its message."""
NARROWEST = 30
"""Columns of a terminal, at least; shorter lines may well be equally long by chance."""


def around(block: Block, start: int, end: int) -> Around:
    """Return the lines near the one from ``start`` to ``end``; none that are not in memory."""
    far = max(0, start - AROUND_BYTES)
    above, below = (
        block.content[far:start],
        block.content[end + 1 : min(end + AROUND_BYTES, block.size)],
    )
    lines = [
        [line.rstrip("\r") for line in side.decode("utf-8", "replace").split("\n")]
        for side in (above, below)
    ]
    return lines[0][1 if far or block.head else 0 : -1], lines[1]


def wrapped_match(
    text: str, near: Around, table: SignatureTable, *, line: int
) -> SignatureMatch | None:
    """Return the sign that a message holds, where none of the lines that it was broken into has one."""
    for lines in _messages(near[0], text, near[1]):
        if any(table.find_match(piece, line=line) for piece in lines):
            continue
        for between in ("", " "):
            if crash := table.find_match(between.join(lines), line=line):
                return crash
    return None


def _messages(above: Sequence[str], line: str, below: Sequence[str]) -> Iterator[list[str]]:
    """Give the lines of each message that ``line`` may be a part of, itself among them.

    Every line of a broken message but the last is as long as the terminal is wide.
    """
    for width in dict.fromkeys(map(len, (line, *above[-1:]))):
        if width < NARROWEST or len(line) > width:
            continue
        first = len(above)
        while first and len(above[first - 1]) == width:
            first -= 1
        if first and len(above[first - 1]) > width:
            continue  # the terminal was wider
        lines = [*above[first:], line]
        for text in below:
            if len(lines[-1]) < width or len(text) > width:
                break
            lines.append(text)
        if len(lines) > 1:
            yield lines
