"""Several processes that wrote into one log without a name in front of their lines, told apart.

As ``srun`` without ``--label`` and ``kubectl logs`` of a job give them. Each label of a fold then comes K
times, and all of them before the labels after the next few begin; a run that was started K times gives its
labels in turn instead. The readings of one label are dealt out by their values, which keep their order:
what one process has more of than another at a stage, it has more of at the next.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.thread_line import parse_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.logs.scan_result import LabelContext, ScanResult

FEWEST_LABELS = 5
"""Of folds; of fewer nothing can be told."""
DRIFT = 3
"""Labels by which one process may be ahead of another."""
SHARE = 0.7
"""Of the labels that come K times, and that end before those so far behind them begin."""
MOST_WRITERS = 64


def split_writers(part: ScanResult) -> ScanResult:
    """Return ``part`` with a writer for each of the processes that wrote it; itself if there is one."""
    if any(heading.writer is not None for heading in part.headings):
        return part
    rows_of = _rows_by_label(part)
    writers = _count_writers(part, rows_of)
    return part if writers < 2 else _dealt(part, rows_of, writers)


def _rows_by_label(part: ScanResult) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    texts = [heading.text for heading in part.headings]
    for row, heading in enumerate(part.heading_of):
        found[texts[heading]].append(row)
    return found


def _count_writers(part: ScanResult, rows_of: Mapping[str, Sequence[int]]) -> int:
    """Return how many processes wrote the log, as far as its labels tell; 1 where they do not."""
    given = {heading.text: heading.label for heading in part.headings}
    labels = [text for text in rows_of if (given[text] or parse_label(text)).fold is not None]
    if len(labels) < FEWEST_LABELS:
        return 1
    counts = Counter(len(rows_of[text]) for text in labels)
    writers, alike = counts.most_common(1)[0]
    if not 2 <= writers <= MOST_WRITERS or alike < SHARE * len(labels):
        return 1
    behind = [(rows_of[a][-1], rows_of[b][0]) for a, b in zip(labels, labels[DRIFT:], strict=False)]
    apart = sum(last < first for last, first in behind)
    return writers if apart >= SHARE * len(behind) else 1


def _dealt(part: ScanResult, rows_of: Mapping[str, Sequence[int]], writers: int) -> ScanResult:
    writer_of: dict[int, int] = {}
    values = [part.columns[name] for name in ("maps", "rss_bytes", "threads")]
    for rows in rows_of.values():
        ordered = sorted(rows, key=lambda row: [column[row] for column in values])
        for place, row in enumerate(ordered):
            writer_of[row] = place % writers
    numbers: dict[tuple[int, int], int] = {}
    headings: list[LabelContext] = []
    heading_of = array("q")
    for row, heading in enumerate(part.heading_of):
        key = (heading, writer_of[row])
        if key not in numbers:
            numbers[key] = len(headings)
            name = f"{key[1] + 1} of {writers}"
            headings.append(part.headings[heading]._replace(writer=name))
        heading_of.append(numbers[key])
    return replace(part, headings=headings, heading_of=heading_of)
