"""Which prefixes of a log's lines are ranks that write it in turns.

No single line decides it: ``3: text`` is rank 3 of srun, or the third line of a list; ``[trainer3]:
text`` is a rank of torchrun, ``[epoch3]: text`` is not. Ranks come back, one after the other; numbers
that count do not.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.logs.scan_result import ScanResult

_COUNTING = re.compile(r"(?!(?:rank|default)\d)[A-Za-z_.-]*\d+")
_TURNS = 2
"""Of each name, on average: fewer are those of a count that was begun once."""


def without_counts(parts: Sequence[ScanResult]) -> Sequence[ScanResult]:
    """Take the names that are none off the readings and signs of a log."""
    counting = {name for part in parts for name in _names(part) if _COUNTING.fullmatch(name or "")}
    if not counting:
        return parts
    turns = sum(name in counting for name, _ in groupby(_by_row(parts)))
    if turns >= _TURNS * len(counting):
        return parts
    for part in parts:
        part.headings = [
            heading._replace(writer=None) if heading.writer in counting else heading
            for heading in part.headings
        ]
        part.matches = [
            sign._replace(writer=None) if sign.writer in counting else sign for sign in part.matches
        ]
    return parts


def _names(part: ScanResult) -> Iterator[str | None]:
    yield from (heading.writer for heading in part.headings)
    yield from (sign.writer for sign in part.matches)


def _by_row(parts: Sequence[ScanResult]) -> Iterator[str | None]:
    for part in parts:
        names = [heading.writer for heading in part.headings]
        yield from map(names.__getitem__, part.heading_of)
