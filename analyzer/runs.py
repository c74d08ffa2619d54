"""Where in one journal or log another run begins: the last one is judged, those before it are named.

Whatever is not certain is one run. Folds in a process each, ranks, a retried fold and a run that is resumed
are one; so is all that a runner wrote beside its run.json, for it moves earlier runs out of the way. Another
run begins with a process of the same script that starts after every one before it has ended, with the label
that the run started with, and

    goes through a fold again that the run's first process had left for another one, or
    repeats all labels of the run's first process, which did not fail and had no label twice.

A log has no pid and no time for a process; there the run before must have an ending as well.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

from analyzer.diagnosis.run_end import is_through
from telemetry.journal.run_layout import CONFIG, JOURNAL, SUMMARY_JSON, is_set_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from analyzer.processes.process import Process
    from telemetry.thread_line import Label


def split_runs(processes: Sequence[Process]) -> list[list[Process]]:
    """Return the processes of each run, the last run at the end; they are of one directory or file.

    Journals of one directory, such as those of folds, are each split and put together from their ends.
    """
    by_source: dict[tuple[str, str | None], list[Process]] = defaultdict(list)
    for process in processes:
        rank = process.header.rank if process.header else process.rank
        by_source[process.source, rank].append(process)
    split = [_split(found) for found in by_source.values()]
    age = {id(one): age for runs in split for age, run in enumerate(reversed(runs)) for one in run}
    found: list[list[Process]] = [[] for _ in range(max(map(len, split), default=1))]
    for process in processes:
        found[-1 - age[id(process)]].append(process)
    return found


def set_aside_runs(directory: str) -> Iterator[tuple[str, float]]:
    """Give path and end of every whole run that a runner has moved into ``previous-N``, the oldest first.

    One with a summary or a journal of all folds was whole; a single fold may have been retried.
    """
    names = os.listdir(directory) if os.path.isdir(directory) else []
    found = []
    for name in filter(is_set_aside, names):
        path = os.path.join(directory, name)
        files = (os.path.join(path, file) for file in (SUMMARY_JSON, JOURNAL))
        ends = [os.stat(file).st_mtime for file in files if os.path.isfile(file)]
        if ends:
            found.append((max(ends), path))
    return ((path, end) for end, path in sorted(found))


def _split(processes: list[Process]) -> list[list[Process]]:
    if len(processes) < 2 or _is_managed(processes[0]):
        return [processes]
    runs: list[_Run] = []
    for process in processes:
        if not runs or runs[-1].is_repeated_by(process):
            runs.append(_Run())
        runs[-1].add(process)
    return [run.processes for run in runs]


def _is_managed(process: Process) -> bool:
    """Whether a runner keeps its directory."""
    folders = (process.group, os.path.dirname(process.source))
    return any(os.path.isfile(os.path.join(folder, CONFIG)) for folder in folders)


_Places: TypeAlias = dict[tuple[int | None, str], None]
"""Fold and stage of labels, in their order."""


class _Run:
    """The processes of a run so far."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._labelled: list[Process] = []
        self._wanted: _Places = {}
        """What only another run would repeat; empty if it could not be known by its labels."""
        self._ended = -math.inf

    def add(self, process: Process) -> None:
        """Take a process that is of this run."""
        self.processes.append(process)
        if process.span is not None:
            self._ended = max(process.span[1], self._ended)
        if process.checkpoints:
            self._wanted = self._wanted if self._labelled else _telling_places(process)
            self._labelled.append(process)

    def is_repeated_by(self, process: Process) -> bool:
        """Whether ``process`` is certain to be the first of another run."""
        if not (process.checkpoints and self._wanted) or not self._is_over(process):
            return False
        first = self._labelled[0]
        found = _places(process.checkpoints.labels())
        if _script(first) != _script(process) or next(iter(found)) != next(iter(self._wanted)):
            return False
        has_all = found.keys() >= self._wanted.keys()
        return has_all and (len(first.folds) > 1 or len(found) == len(self._wanted))

    def _is_over(self, process: Process) -> bool:
        """Whether every process of it had ended when ``process`` began."""
        if process.span is not None and process.span[0] < self._ended:
            return False
        last = self._labelled[-1]
        return last.is_recorded or last.crash is not None or is_through(last)


def _places(labels: Iterable[Label]) -> _Places:
    """Return where in a run ``labels`` are, in order; of how many folds may change from run to run."""
    return dict.fromkeys((label.fold, label.stage) for label in labels)


def _telling_places(process: Process) -> _Places:
    labels = [*process.checkpoints.labels()]
    if process.is_recorded and process.header is None:
        return {}
    if len(process.folds) > 1:
        opening = next(label.fold for label in labels if label.fold is not None)
        return _places(takewhile(lambda label: label.fold in {None, opening}, labels))
    found = _places(labels)
    is_whole = process.is_recorded and process.crash is None and len(labels) == len(found) > 1
    return found if is_whole else {}


def _script(process: Process) -> str:
    """Return the name of the script that it was started with; empty where that is not recorded."""
    return os.path.basename(next(iter(process.argv), ""))
