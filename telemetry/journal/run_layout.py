"""What lies in a run's directory beside its journals, and where runs are below a directory.

Owns the way from file names to runs, and the reading of run.json, result.json and failure.json. It
must not know what a journal says. Whatever a file holds, nothing is raised: a file that is not whole
is as one that is absent, because a run writes its own whole or not at all.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from telemetry.journal.atomic_write import open_regular
from telemetry.journal.records import FILE_NAME

RUN = "run.json"
RESULT = "result.json"
FAILURE = "failure.json"
LARGEST_BYTES = 2**20
MOST_FOLDS = 10_000
_FOLD = re.compile(r"fold-(\d{1,6})")
_SET_ASIDE = re.compile(r"previous-\d+")
"""What a later run of the same directory replaced; it is not of that run any more."""


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """How a fold ended, as its result or failure file says."""

    state: str
    """finished or failed."""
    ended_at: float
    exit_code: int
    seconds: float | None


def find_journals(top: str) -> dict[str, list[str]]:
    """Return the journals below ``top`` by the directory of the run that they belong to.

    A run is a directory with run.json or a journal of its own, or one that holds ``fold-K``. Links to
    directories are not followed; a directory that cannot be read holds nothing.
    """
    runs: dict[str, list[str]] = {}
    pending = [top]
    while pending:
        folder = pending.pop()
        names, folders = _entries(folder)
        pending += (os.path.join(folder, name) for name in folders)
        if FILE_NAME in names:
            runs.setdefault(_run_of(folder, top), []).append(os.path.join(folder, FILE_NAME))
        elif RUN in names:
            runs.setdefault(folder, [])
    return {run: sorted(journals) for run, journals in sorted(runs.items())}


def _entries(folder: str) -> tuple[set[str], list[str]]:
    names, folders = set(), []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    names.add(entry.name)
                elif not _SET_ASIDE.fullmatch(entry.name):
                    folders.append(entry.name)
    except OSError:
        return set(), []  # gone since, or not ours to read: the next look may find more
    return names, folders


def _run_of(folder: str, top: str) -> str:
    is_fold = _FOLD.fullmatch(os.path.basename(folder))
    return os.path.dirname(folder) if is_fold and folder != top else folder


def fold_of(journal: str) -> int | None:
    """Return the fold whose process alone writes ``journal``; None where folds share one."""
    match = _FOLD.fullmatch(os.path.basename(os.path.dirname(journal)))
    return int(match[1]) if match else None


def folds_planned(run: str) -> int | None:
    """Return the number of folds that run.json names."""
    content = _read(os.path.join(run, RUN))
    config = content.get("config") if content else None
    folds = config.get("folds") if isinstance(config, dict) else None
    return folds if type(folds) is int and 0 < folds <= MOST_FOLDS else None


def fold_outcome(run: str, fold: int) -> FoldOutcome | None:
    """Return how a fold ended; None while neither of its two files is there and whole."""
    for name, state in ((RESULT, "finished"), (FAILURE, "failed")):
        path = os.path.join(run, f"fold-{fold}", name)
        content = _read(path)
        if content is None:
            continue
        code = content.get("exit_code", 0)
        seconds = content.get("seconds")
        return FoldOutcome(
            state=state,
            ended_at=_changed(path),
            exit_code=code if type(code) is int and abs(code) < 2**32 else 0,
            seconds=float(seconds) if isinstance(seconds, int | float) else None,
        )
    return None


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def run_name(run: str, top: str) -> str:
    """Name a run by its path below ``top``, or by ``top`` itself where that is the run."""
    return os.path.basename(os.path.abspath(top)) if run == top else os.path.relpath(run, top)
