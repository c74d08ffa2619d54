"""Logs and journals as OpenMetrics with their times, for ``promtool tsdb create-blocks-from``.

OpenMetrics 1.0: families whole and sorted, one value per series and millisecond, ``# EOF``. The metric
names are those of `telemetry.metrics.catalog`. A text log without times gets them from a start and a
step that the user names; they are never guessed.
"""

from __future__ import annotations

import functools
import math
import os
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.formatting import safe
from analyzer.logs.scan_options import ScanOptions
from analyzer.pipeline import analyze
from analyzer.processes.inputs import find_inputs
from analyzer.processes.reading import read_inputs
from telemetry.errors import InputError
from telemetry.journal.atomic_write import writing
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event, Header
from telemetry.metrics.catalog import BASE_LABELS, METRICS
from telemetry.metrics.exposition import escape_label, format_number
from telemetry.metrics.samples import reading_samples
from telemetry.reading import STAGES_KEPT, Reading, latest_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from analyzer.growth.verdict import Growth
    from analyzer.processes.inputs import Input
    from telemetry.journal.records import Record

LONGEST_LABEL = 200


@dataclass(slots=True)
class Series:
    """The values of one series by their time in milliseconds, each in the order that it came."""

    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class Export:
    """What an export collected; ``families`` by name, each by its label values."""

    families: dict[str, dict[tuple[str, ...], Series]] = field(default_factory=dict)
    readings: int = 0
    skipped: int = 0
    """Lines that could not be read."""
    repeated: int = 0
    """Values left out: their series has a later one of the same millisecond."""
    stages_left_out: int = 0
    """Readings whose stage is beyond the first STAGES_KEPT of its run: they have no stage series."""
    refused: list[str] = field(default_factory=list)
    """What a directory brought along and is not exported, and why."""
    made_times: int = 0
    """Readings that had no time of their own."""
    last_times: dict[tuple[str, str], float] = field(default_factory=dict)
    """Of the last reading of each rank of each run."""

    def add(self, name: str, labels: tuple[str, ...], value: float, *, time: float) -> None:
        """Take one value of one series, ``time`` in seconds since the epoch."""
        clean = tuple(map(_label, labels))
        series = self.families.setdefault(name, {}).setdefault(clean, Series())
        series.times.append(round(time * 1000))
        series.values.append(value)

    def lines(self) -> Iterator[str]:
        """Give the text line by line, newlines included."""
        for name in sorted(self.families):
            kind = METRICS[name]
            family = name.removesuffix("_total") if kind.type == "counter" else name
            yield f"# HELP {family} {escape_label(kind.help)}\n# TYPE {family} {kind.type}\n"
            names = (*BASE_LABELS, *kind.labels)
            for labels, series in sorted(self.families[name].items()):
                pairs = ",".join(
                    f'{label}="{escape_label(value)}"'
                    for label, value in zip(names, labels, strict=True)
                )
                by_time = dict(zip(series.times, series.values, strict=True))
                self.repeated += len(series.times) - len(by_time)
                for time in sorted(by_time):
                    yield f"{name}{{{pairs}}} {format_number(_whole(by_time[time]))} {time / 1000:.3f}\n"
        yield "# EOF\n"


def collect(paths: Iterable[str], *, start: float | None = None, step: float) -> Export:
    """Read and judge ``paths``; a log without times begins at ``start`` (seconds since the epoch).

    One that a directory brought along and that cannot be exported is left out. Raises InputError for one that was named,
    and where there is nothing to export.
    """
    export = Export()
    paths = list(paths)
    inputs = find_inputs(paths)
    runs = _run_names(inputs)
    for found in inputs:
        try:
            if found.journal is not None:
                _add_journal(export, found.journal, runs[found.group])
            else:
                _add_log(export, found, runs[found.group], start=start, step=step)
        except InputError as error:
            if found.is_named:
                raise
            export.refused.append(str(error))
    if not export.readings and export.refused:
        raise InputError(export.refused[0])
    if not export.readings:
        words = ", ".join(found.journal or found.log or found.group for found in inputs[:3])
        raise InputError(f"{words}: no reading to export")
    _add_growth(export, paths, runs)
    return export


def _add_growth(export: Export, paths: Iterable[str], runs: Mapping[str, str]) -> None:
    """Take what each rank of each run grew by a fold, as judged over all of it, at its last reading."""
    judged: dict[tuple[str, ...], tuple[float, Growth]] = {}
    for finding in analyze(paths).findings:
        process = finding.process
        host, rank = (one.host, one.rank) if (one := process.header) else ("", process.rank or "")
        run = runs[process.group]
        if (time := export.last_times.get((run, rank))) is not None:
            for resource, growth in finding.growth.items():
                judged[run, host, "", rank, resource] = time, growth
    for labels, (time, growth) in judged.items():
        if growth.slope is not None:
            export.add("foldwatch_growth_per_fold", labels, growth.slope, time=time)
        if growth.folds_to_limit is not None:
            export.add("foldwatch_folds_to_limit", labels, growth.folds_to_limit, time=time)


def write(export: Export, path: str) -> None:
    """Write the text whole or not at all. Raises InputError."""
    try:
        with (
            writing(path) as aside,
            open(aside, "w", encoding="utf-8", errors="replace", newline="\n") as file,
        ):
            file.writelines(export.lines())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _run_names(inputs: Iterable[Input]) -> dict[str, str]:
    """Name each run by the end of its path; by all of it where two ends are the same."""
    groups = dict.fromkeys(found.group for found in inputs)
    ends = [os.path.basename(os.path.abspath(group)) for group in groups]
    counts = Counter(ends)
    return {
        group: end if counts[end] == 1 else os.path.abspath(group)
        for group, end in zip(groups, ends, strict=True)
    }


def _add_journal(export: Export, path: str, run: str) -> None:
    follower = JournalFollower(path)
    host, latest = "", dict[tuple[int, int | None], Reading]()
    ranks: dict[int, str] = {}
    stages: set[str] = set()
    folds: dict[int, str] = {}
    for record in _records(follower):
        if isinstance(record, Header):
            host, ranks[record.pid] = record.host, record.rank
        elif isinstance(record, Event):
            code = record.facts.get("exit_code")
            if isinstance(code, int):
                rank = ranks.get(record.pid, "")
                labels = (run, host, folds.get(record.pid, ""), rank)
                export.add("foldwatch_fold_exit_code", labels, code, time=record.time)
        else:
            key = (record.pid, record.start_ticks)
            latest[key] = latest_known(latest.get(key), record)
            folds[record.pid] = "" if record.fold is None else str(record.fold)
            labels = (run, host, folds[record.pid], ranks.get(record.pid, ""))
            _add_reading(export, latest[key], record, labels, stages)
    export.skipped += len(follower.skipped) + follower.more_skipped


def _records(follower: JournalFollower) -> Iterator[Record]:
    try:
        yield from follower.stream_to_end()
    except OSError as error:
        raise InputError(f"{error.filename or follower.path}: {error.strerror}") from error


def _add_reading(
    export: Export, known: Reading, record: Reading, labels: tuple[str, ...], stages: set[str]
) -> None:
    """Take a reading; ``known`` is it with what a cheap sample left out."""
    if not math.isfinite(record.time):
        export.skipped += 1
        return
    stage = record.stage
    if stage is not None and stage not in stages and len(stages) >= STAGES_KEPT:
        export.stages_left_out += 1
        stage = None
    if stage is not None:
        stages.add(stage)
    export.readings += 1
    run, _, _, rank = labels
    export.last_times[run, rank] = max(record.time, export.last_times.get((run, rank), record.time))
    for sample in reading_samples(known, labels, stage=stage):
        export.add(sample.name, sample.labels, sample.value, time=record.time)


def _add_log(export: Export, found: Input, run: str, *, start: float | None, step: float) -> None:
    time, stages = start, set[str]()
    for table in read_inputs([found], options=ScanOptions(keeps_all=True)):
        export.skipped += sum(source.skipped_count for source in table.sources)
        for process in table.processes:
            for sample in process.checkpoints:
                if sample.time is None and time is None:
                    raise InputError(
                        f"{found.log}: a text log has no times; say when it began, with"
                        " --start 2026-01-31T08:00:00Z, and how far apart, with --step SECONDS"
                    )
                at = time if sample.time is None else sample.time
                reading = sample.as_reading(
                    pid=process.pid or 0, time=math.nan if at is None else at
                )
                if sample.time is None and time is not None:
                    time += step
                    export.made_times += 1
                fold = "" if sample.label.fold is None else str(sample.label.fold)
                labels = (run, "", fold, process.rank or "")
                _add_reading(export, reading, reading, labels, stages)


@functools.lru_cache(maxsize=4096)
def _label(text: str) -> str:
    """Take from a label what steers a terminal and what is too long: queries are shown there too."""
    return safe(text, longest=LONGEST_LABEL)


def _whole(value: float) -> float:
    """Return what was an integer before it was kept as a double as an integer again."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
