"""The readings of the built-in formats, put under a process.

They never tell where a process ends or goes on, and how the run ended is known before they are looked at:
a summary stands below the crash. Of each resource one format counts, the one with the most readings, for
two mean two things; what the others say is counted.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.known_formats import BY_NAME
from analyzer.logs.user_pattern import NOTHING_NAMED
from analyzer.processes.checkpoints import raise_peaks
from analyzer.resources import ABSENT
from telemetry.thread_line import parse_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.logs.format_readings import FormatContext, FormatReadings
    from analyzer.logs.known_formats import KnownFormat
    from analyzer.processes.checkpoints import CheckpointTable
    from analyzer.processes.process import Process
    from telemetry.thread_line import Label


class FormatUse(NamedTuple):
    """A format that was found in a log."""

    format: KnownFormat
    readings: int
    is_used: bool
    """Whether they are the readings of its resource; else another format has more."""


def take_formats(
    process: Process, parts: Sequence[tuple[FormatReadings, int]]
) -> tuple[FormatUse, ...]:
    """Give the readings of a log to ``process``; a part comes with the lines before it."""
    counts: Counter[str] = Counter()
    for part, _ in parts:
        counts.update(part.counts)
    used: dict[str, KnownFormat] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], [*BY_NAME].index(name))):
        row = BY_NAME[name]
        if row.resource is not None:
            used.setdefault(row.resource, row)
    named: dict[str | None, str] = {}
    for part, lines_before in parts:
        _take(process.checkpoints, part, lines_before, used, named)
        named |= part.named
    process.formats = used
    raise_peaks(process.peaks, {name: process.checkpoints.peak(name) for name in used})
    return tuple(
        FormatUse(row, counts[name], is_used=row in used.values())
        for name, row in BY_NAME.items()
        if counts[name]
    )


def _take(
    table: CheckpointTable,
    part: FormatReadings,
    lines_before: int,
    used: Mapping[str, KnownFormat],
    named: Mapping[str | None, str],
) -> None:
    """Append the readings of a part; ``named`` are the labels that it begins with, by writer."""
    heads: dict[int, tuple[int, str]] = {}
    for number, context in enumerate(part.contexts):
        resource = BY_NAME[context.format].resource
        if resource is not None and used[resource].name == context.format:
            limits = {} if context.limit is None else {resource: context.limit}
            heads[number] = table.contexts.number(_label(context, named), limits), resource
    for name in used:
        table.columns.setdefault(name, array("q", [ABSENT]) * len(table))
    for row, number in enumerate(part.context_of):
        if number not in heads:
            continue
        head, resource = heads[number]
        table.head_of.append(head)
        table.lines.append(part.lines[row] + lines_before)
        table.times.append(part.times[row])
        for name, column in table.columns.items():
            column.append(part.values[row] if name == resource else ABSENT)


def _label(context: FormatContext, named: Mapping[str | None, str]) -> Label:
    text = context.text
    if text == NOTHING_NAMED:
        text = named.get(context.writer, text)
    if context.writer is not None:
        text = f"{context.writer} {text}"  # each writer has values of its own
    return parse_label(text)
