"""A fold's result and a run's summary: whole or absent, never in between.

``result.json``, ``failure.json``, ``summary.json`` and ``summary.csv`` are written to a temporary file, synced
and renamed, so a power loss or a kill leaves either the old file or the new one.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.run_layout import LARGEST_BYTES, RESULT, RunLayout
from trainer.run.durable_files import sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA = 1
OUT_OF_REACH = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EUCLEAN),
    *(errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
"""What reading fails with where the file is not to blame: its disk, its server, this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """What a finished fold leaves."""

    fold: int
    folds: int
    config_digest: str
    data_digest: str = ""
    """Of the data and its split; empty if the runner knows of none, as for a command."""
    metrics: Mapping[str, float]
    """NaN and infinity are null in the file, since JSON has neither."""
    seconds: float
    attempt: str = ""
    """The token of the lease under which the fold ran; empty from a version without leases."""

    def write(self, directory: str, *, name: str = RESULT) -> None:
        """Write the result into the fold's directory. Raises OSError."""
        make_fold_folder(directory)
        sync_folder(os.path.dirname(os.path.abspath(directory)))  # it may have been made just now
        metrics = {name: _finite(value) for name, value in self.metrics.items()}
        content = {"schema": SCHEMA} | asdict(self) | {"metrics": metrics}
        write_whole(os.path.join(directory, name), json.dumps(content, indent=2) + "\n")


def read_result(path: str) -> FoldResult | None:
    """Return the result at ``path``, or None if it is absent, not whole, or of values that no fold leaves."""
    try:
        with open_regular(path) as file:
            content = typed.load(file.read(LARGEST_BYTES))
        if content.get("schema") != SCHEMA:
            return None
        return FoldResult(**typed.fields_of(content, _CHECKS))
    except (OSError, ValueError, TypeError):  # the last where a field is missing
        return None


def fault_of(path: str) -> OSError | None:
    """Return why the result at ``path`` cannot be read now and may be whole; None if it can be, or is none."""
    try:
        with open_regular(path) as file:
            file.read(LARGEST_BYTES)
    except OSError as error:
        return error if error.errno in OUT_OF_REACH else None
    return None


def _metric(name: str, value: object) -> float:
    return math.nan if value is None else typed.finite(name, value)


_CHECKS: Mapping[str, typed.Check] = {
    "fold": typed.whole,
    "folds": typed.whole,
    "config_digest": typed.text,
    "data_digest": typed.text,
    "metrics": typed.mapping_of(_metric),
    "seconds": typed.seconds,
    "attempt": typed.text,
}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Mean and sample standard deviation of a metric over the folds that have a finite one."""

    mean: float | None
    """None if no fold has one."""
    std: float | None
    """None for a single fold: one value has no spread."""
    folds: int
    """The number of folds that have one."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's results so far; ``missing`` folds are in no mean."""

    folds: int
    results: tuple[FoldResult, ...]

    @property
    def missing(self) -> list[int]:
        """Folds without a result."""
        finished = {result.fold for result in self.results}
        return [fold for fold in range(1, self.folds + 1) if fold not in finished]

    def aggregates(self) -> dict[str, Aggregate]:
        """Return each metric's aggregate over the finished folds; NaN and infinity are in none."""
        values: dict[str, list[float]] = {}
        for result in self.results:
            for name, value in result.metrics.items():
                found = values.setdefault(name, [])
                if math.isfinite(value):
                    found.append(value)
        return {name: _aggregate(found) for name, found in values.items()}

    def not_finite(self) -> dict[str, list[int]]:
        """Return, by metric, the folds where it is NaN or infinite."""
        folds: dict[str, list[int]] = {}
        for result in self.results:
            for name, value in result.metrics.items():
                if not math.isfinite(value):
                    folds.setdefault(name, []).append(result.fold)
        return folds

    def write(self, directory: str) -> None:
        """Write summary.json and summary.csv. Raises OSError."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "folds": self.folds,
            "folds_finished": [result.fold for result in self.results],
            "folds_missing": self.missing,
            "is_complete": not self.missing,
            "metrics": {name: asdict(found) for name, found in self.aggregates().items()},
        }
        layout = RunLayout(directory)
        write_whole(layout.summary_json, json.dumps(content, indent=2) + "\n")
        write_whole(layout.summary_csv, _csv(self.results))


def _aggregate(values: Sequence[float]) -> Aggregate:
    return Aggregate(
        mean(values) if values else None,
        stdev(values) if len(values) > 1 else None,
        len(values),
    )


def summarize(folds: int, results: Sequence[FoldResult | None]) -> Summary:
    """Put the whole results of a run together, in the folds' order."""
    present = [result for result in results if result is not None]
    return Summary(folds, tuple(sorted(present, key=lambda result: result.fold)))


def _csv(results: Sequence[FoldResult]) -> str:
    names = sorted({name for result in results for name in result.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["fold", *names, "seconds"])
    for result in results:
        values = [result.metrics.get(name, "") for name in names]
        writer.writerow([result.fold, *values, round(result.seconds, 3)])
    return text.getvalue()
