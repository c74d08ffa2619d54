"""Growth from epoch to epoch, where labels carry epochs: a fold may be one fit of 720 of them.

Owns which labels name an epoch and which epochs belong to one fit. `growth` judges them.

A label names epoch E where it says ``epoch E`` or ``ep E``, with or without how many are planned:
``Fold 2/3 epoch 5``, ``after Epoch [5/720]``, ``epoch=5``, ``epoch_5``; a label that has only a trial,
as ``trial 7`` of a search, is judged alike. A fit is a run of rising epochs under one label in one
fold, each with the last value of it; where the number falls, another fit begins, with a level of its own.

Of numbers that a program prints by itself each writer is judged alone, the worst counts, and of several fits without
a fold the last: those before it are attempts that ended.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from analyzer.growth.verdict import EPOCHS, PRINTED_EPOCHS, Growth, Verdict, judge
from analyzer.resources import RESOURCES
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.growth.verdict import Axis
    from analyzer.processes.from_log import Process

    Kind: TypeAlias = tuple[int | None, str]
    """A fold, and a label without its epoch."""

_EPOCH = late_pattern(
    r"\bep(?:och)?[ _=:#\[-]{0,3}(?P<epoch>\d{1,9})(?: ?(?:/|of) ?(?P<planned>\d{1,9}))?\b",
    re.IGNORECASE,
)
_TRIAL = late_pattern(
    r"\btrial[ _=:#\[-]{0,3}(?P<epoch>\d{1,9})(?: ?(?:/|of) ?(?P<planned>\d{1,9}))?\b",
    re.IGNORECASE,
)


def epoch_series(process: Process, resource: str) -> dict[str, dict[int, float]]:
    """Return, by fit, the value of ``resource`` at each epoch."""
    return {
        f"{kind} {number}": fit
        for kind, fits in _fits(process, resource).items()
        for number, fit in enumerate(fits, start=1)
    }


def _fits(process: Process, resource: str) -> dict[Kind, list[dict[int, float]]]:
    """Return the fits of each fold and label."""
    found: dict[Kind, list[dict[int, float]]] = {}
    checkpoints = process.checkpoints
    for row, match in _epochs(process):
        value = checkpoints.value(resource, row)
        if value is None:
            continue
        epoch, label = int(match["epoch"]), checkpoints.label(row)
        kind = (label.fold, label.stage[: match.start()] + label.stage[match.end() :])
        fits = found.setdefault(kind, [{}])
        if fits[-1] and epoch < next(reversed(fits[-1])):
            fits.append({})
        fits[-1][epoch] = value
    return found


def planned_epoch(process: Process) -> str | None:
    """Return the epoch of the last label, as ``37 of 100``, where more are planned; else None.

    They count from 0 or from 1.
    """
    last = _EPOCH.search(process.checkpoints.label(-1).stage)
    if last is None or last["planned"] is None:
        return None
    begun = min(int(match["epoch"]) for _, match in _epochs(process))
    is_left = int(last["epoch"]) + (begun == 0) < int(last["planned"])
    return f"{last['epoch']} of {last['planned']}" if is_left else None


def judge_epochs(process: Process, resource: str, *, by_fold: Growth) -> Growth | None:
    """Judge one resource from epoch to epoch; None where no label names an epoch of it.

    What folds give back is not growing, whatever it does within one: where ``by_fold`` found none,
    it is slow at most, unless the limit is near.
    """
    if resource in process.formats:
        of_writers = [
            _judge(process, resource, {"": fits[-1]}, PRINTED_EPOCHS)
            for fits in _fits(process, resource).values()
        ]
        return min(of_writers, key=lambda growth: growth.verdict.severity, default=None)
    series = epoch_series(process, resource)
    if not series:
        return None
    growth = _judge(process, resource, series, EPOCHS)
    if growth.verdict == Verdict.GROWING and by_fold.verdict.is_steady:
        reason = f"{growth.reason}, but the next fold begins without it"
        return replace(growth, verdict=Verdict.SLOW, reason=reason)
    if process.checkpoints.contexts.has_merged and not growth.verdict.is_alarming:
        reason = f"{growth.reason}; but of so many labels only the epochs under the first are known"
        return replace(growth, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return growth


def _judge(
    process: Process, resource: str, series: Mapping[str, Mapping[int, float]], axis: Axis
) -> Growth:
    limit = process.limit(resource)
    planned = [int(match["planned"]) for _, match in _epochs(process) if match["planned"]]
    return judge(
        series,
        floor=RESOURCES[resource].floor,
        level_at_end=process.peaks.get(resource),
        limit=limit if isinstance(limit, int) else None,
        folds_planned=planned[-1] if planned else None,
        axis=axis,
    )


def _epochs(process: Process) -> Iterator[tuple[int, re.Match[str]]]:
    """Give the rows whose label names an epoch."""
    labels = enumerate(process.checkpoints.labels())
    named = {
        head: match
        for head, label in labels
        if (match := _EPOCH.search(label.stage) or _TRIAL.search(label.stage))
    }
    if named:
        for row, head in enumerate(process.checkpoints.head_of):
            if head in named:
                yield row, named[head]
