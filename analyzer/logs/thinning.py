"""Leaves out readings of labels that come over and over, where a log holds so many that memory would grow with them.

What is judged stays: of each label the first and the last reading, and the lowest and the highest of each value in every
stretch, and both sides of a fall that may be the start of another process. What is left out is counted, and so is where
readings are no neighbours any more: between them nothing can be told of a restart.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.resources import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_READINGS = 2**19
"""Of a stretch of a log; a training that takes one a second makes as many in six days."""
KEPT_STRETCHES = 256
"""Of the readings of one label; fewer where very many labels would take more than MOST_READINGS together."""
MOST_FALLS = 10_000
"""Of its maps, as at the start of a new process, whose readings on both sides stay."""


def kept_rows(
    labels: Sequence[int], lines: Sequence[int], columns: Mapping[str, array[int]]
) -> list[int]:
    """Return the rows of readings that stay, by the number of each one's label, its line and its values."""
    rows_of: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    for row, label in enumerate(labels):
        rows_of[label].append(row)
    of_each = 2 * len(columns) * len(rows_of)
    stretches = max(1, min(KEPT_STRETCHES, MOST_READINGS // of_each)) if of_each else 1
    return sorted(
        {row for rows in rows_of.values() for row in _kept(rows, lines, columns, stretches)}
    )


def _kept(
    rows: Sequence[int],
    line_of: Sequence[int],
    columns: Mapping[str, array[int]],
    stretches: int,
) -> Iterator[int]:
    """Give the rows of one label that are kept, some of them more than once."""
    if len(rows) <= 2 * len(columns) * stretches:
        yield from rows
        return
    yield from (rows[0], rows[-1])
    # Of equally many lines, not readings: what was thinned before stays as dense as what comes now.
    lines = array("q", map(line_of.__getitem__, rows))
    width = (lines[-1] - lines[0]) / stretches
    ends = [bisect_left(lines, lines[0] + n * width) for n in range(1, stretches)]
    for start, end in pairwise([0, *ends, len(rows)]):
        stretch = rows[start:end]
        for column in columns.values():
            known = [row for row in stretch if column[row] != ABSENT]
            if known:
                yield min(known, key=column.__getitem__)
                yield max(known, key=column.__getitem__)
