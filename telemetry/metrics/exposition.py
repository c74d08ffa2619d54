"""`Exposition`: many snapshots as the text of one scrape, rendered when they are published.

prometheus-client's own rendering would take ten times as long; a test compares the two. Escaping of
labels and the form of numbers are defined here for every writer of Prometheus text.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from telemetry.metrics.catalog import BASE_LABELS, METRICS
from telemetry.metrics.samples import encodable, fold_samples, progress_samples, run_samples
from telemetry.metrics.series_budget import FoldSeries, SeriesBudget, precedence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from telemetry.metrics.samples import MetricSample
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

logger = logging.getLogger("foldwatch")

REASON_KEPT = 200
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


ExpositionLines: TypeAlias = dict[str, str]
"""The lines of each metric, by its name."""


class _RunLines(NamedTuple):
    """The series of one run: its own, and each fold's with what the budget needs to know of it."""

    snapshot: Snapshot
    own: ExpositionLines
    folds: list[tuple[FoldSeries, ExpositionLines]]
    whole: ExpositionLines
    """All of them, for when there is room."""


class Exposition:
    """Holds the text of the snapshots published last.

    Invariant: what is published again, the same object, is not rendered again: neither a snapshot nor
    one of its folds. One thread publishes; any may read.
    """

    def __init__(self) -> None:
        self.left_out: Mapping[RunKey, int] = {}
        """How many series a budget has no room for, by run. Replaced, never changed."""
        self._said: frozenset[str] = frozenset()
        """The names of the runs that the log has told of."""
        self._runs: dict[object, _RunLines] = {}
        self._folds: dict[object, tuple[FoldSnapshot, int, ExpositionLines]] = {}
        self._texts = (b"", b"# EOF\n")

    def publish(self, snapshots: Sequence[Snapshot], *, now: float) -> None:
        """Render ``snapshots`` as they are at ``now``, in seconds since the epoch."""
        before, self._runs = self._runs, {}
        for snapshot in snapshots:
            # Of ids, because a snapshot is kept here with its lines, so that its own is not given anew.
            key = id(snapshot), *(fold_snapshot.is_live(now) for fold_snapshot in snapshot.folds)
            self._runs[key] = before.get(key) or self._rendered_alone(snapshot, now)
        if self._runs.keys() == before.keys():
            return
        kept = {id(fold_snapshot) for snapshot in snapshots for fold_snapshot in snapshot.folds}
        self._folds = {
            key: fold_snapshot
            for key, fold_snapshot in self._folds.items()
            if id(fold_snapshot[0]) in kept
        }
        self._texts = _texts([*self._within_budget()])

    def text(self, *, is_open_metrics: bool) -> bytes:
        """Return what a scrape gets."""
        return self._texts[is_open_metrics]

    def _within_budget(self) -> Iterator[ExpositionLines]:
        """Give the lines of the runs, and of the folds for which there is room."""
        runs = self._runs.values()
        budget = SeriesBudget([series for run in runs for series, _ in run.folds])
        for run in runs:
            if not budget.left_out[run.snapshot.key]:
                yield run.whole
                continue
            yield run.own
            for series, lines in run.folds:
                if (series.run, series.fold) in budget.kept:
                    yield lines
        self._say_what_is_left_out(budget.left_out)
        self.left_out = budget.left_out

    def _say_what_is_left_out(self, left_out: Mapping[RunKey, int]) -> None:
        """Log in one line which runs are new among those that lose series, of however many; none is said twice."""
        losers = {key.run for key in left_out}
        new = sorted(losers - self._said)
        self._said = (self._said | losers) & {run.snapshot.run for run in self._runs.values()}
        count = sum(number for key, number in left_out.items() if key.run in new[:1] or new[1:])
        if len(new) == 1:
            logger.warning("foldwatch: run %r has too many series: %d are left out", new[0], count)
        elif new:
            words = "foldwatch: %d runs have too many series, the first of them %r: %d are left out"
            logger.warning(words, len(new), new[0], count)

    def _rendered_alone(self, snapshot: Snapshot, now: float) -> _RunLines:
        """Render a snapshot; one that cannot be rendered costs its own series alone, and says so."""
        try:
            return self._rendered(snapshot, now)
        except Exception as error:
            logger.exception("foldwatch: run %r cannot be rendered", snapshot.run)
            why = f"{type(error).__name__}: {error}"[:REASON_KEPT]
            bare = replace(snapshot, folds=(), growth=(), unreadable=why)
            own = _lines(run_samples(bare))
            return _RunLines(snapshot, own, [], own)

    def _rendered(self, snapshot: Snapshot, now: float) -> _RunLines:
        folds = []
        for fold_snapshot in snapshot.folds:
            is_live = fold_snapshot.is_live(now)
            key = id(fold_snapshot), is_live, snapshot.key
            if key not in self._folds:
                found = [*fold_samples(fold_snapshot, snapshot.key, is_live=is_live)]
                self._folds[key] = fold_snapshot, len(found), _lines(found)
            _, count, lines = self._folds[key]
            if progress := [*progress_samples(fold_snapshot, snapshot, is_live=is_live)]:
                count, lines = count + len(progress), _joined([lines, _lines(progress)])
            wanted = precedence(fold_snapshot)
            folds.append((FoldSeries(wanted, snapshot.key, fold_snapshot.label, count), lines))
        own = _lines(run_samples(snapshot))
        return _RunLines(snapshot, own, folds, _joined([own, *(lines for _, lines in folds)]))


def _lines(found: Iterable[MetricSample]) -> ExpositionLines:
    lines: dict[str, list[str]] = {}
    base: tuple[str, ...] = ()
    prefix = ""
    for name, labels, value in found:
        if labels[: len(BASE_LABELS)] != base:
            base = labels[: len(BASE_LABELS)]
            prefix = _pairs(BASE_LABELS, base)
        own = METRICS[name].labels
        more = "," + _pairs(own, labels[len(BASE_LABELS) :]) if own else ""
        lines.setdefault(name, []).append(f"{name}{{{prefix}{more}}} {format_number(value)}\n")
    return {name: "".join(some) for name, some in lines.items()}


def _joined(pieces: Sequence[ExpositionLines]) -> ExpositionLines:
    """Put the lines of each metric together: a format wants them all in one place."""
    lines: dict[str, list[str]] = {}
    for piece in pieces:
        for name, some in piece.items():
            lines.setdefault(name, []).append(some)
    return {name: "".join(some) for name, some in lines.items()}


def _texts(pieces: Sequence[ExpositionLines]) -> tuple[bytes, bytes]:
    """Return the text of both formats; a counter's family has a name of its own in OpenMetrics."""
    lines = _joined(pieces)
    families = [(name, lines[name].encode()) for name in METRICS if name in lines]
    plain = b"".join(_header(name, name) + body for name, body in families)
    open_metrics = b"".join(
        _header(name, name.removesuffix("_total")) + body for name, body in families
    )
    return plain, open_metrics + b"# EOF\n"


def _pairs(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(
        f'{name}="{escape_label(value)}"' for name, value in zip(names, values, strict=True)
    )


def escape_label(value: str) -> str:
    """Escape a label's value."""
    return encodable(value).translate(_ESCAPES)


def format_number(value: float) -> str:
    """Return a sample's value as Prometheus reads it."""
    if isinstance(value, float) and math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(value)


def _header(name: str, family: str) -> bytes:
    kind = METRICS[name]
    return f"# HELP {family} {kind.help}\n# TYPE {family} {kind.type}\n".encode()
