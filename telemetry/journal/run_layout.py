"""The layout of a run's directory: the name of every file in it, and how to read the small ones.

    RUN/run.json                    the configuration
    RUN/.lock                       held by the runner
    RUN/.leases/fold-K.N            who runs fold K, the N-th time
    RUN/journal.jsonl, output.log   of a process that runs every fold
    RUN/fold-K/journal.jsonl, output.log, result.json or failure.json, metrics.json
    RUN/fold-K/black-box.jsonl      of a process that died: its last minute, many readings a second
    RUN/fold-K/stalled-stacks.txt   where its processes stood, if it stalled
    RUN/summary.json, summary.csv
    RUN/previous-N/                 files and folds that a later run of the same directory replaced

Whatever a file holds, reading it raises nothing: a file that is not whole counts as absent, because a
run writes its own whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONFIG = "run.json"
LOCK = ".lock"
LEASES = ".leases"
JOURNAL = "journal.jsonl"
OUTPUT = "output.log"
RESULT = "result.json"
FAILURE = "failure.json"
METRICS = "metrics.json"
BLACK_BOX = "black-box.jsonl"
"""In the form of a journal."""
SUMMARY_JSON = "summary.json"
EXPLAINED = "explained"
"""The folder of second looks, with a folder for each fold."""
EXPLAINED_JSON = "explained.json"
SUMMARY_CSV = "summary.csv"
LARGEST_BYTES = 2**20
MOST_FOLDS = 10_000
MOST_REASON = 2_000
"""Characters of a failure's reason."""
_FOLD, _SET_ASIDE = "fold-", "previous-"


def fold_name(fold: int | str) -> str:
    """Return the name of a fold's directory inside the run's: ``fold-3``."""
    return f"{_FOLD}{fold}"


def fold_number(name: str) -> int | None:
    """Return the fold whose directory has that name; None if it is not a fold's."""
    digits = name.removeprefix(_FOLD)
    is_fold = digits != name and digits.isascii() and digits.isdecimal() and len(digits) <= 6
    return int(digits) if is_fold else None


def set_aside_name(number: int) -> str:
    """Return the name of the ``number``-th directory of replaced files: ``previous-1``."""
    return f"{_SET_ASIDE}{number}"


def is_set_aside(name: str) -> bool:
    """Whether a directory of that name holds files that a later run replaced."""
    return name.startswith(_SET_ASIDE) and name.removeprefix(_SET_ASIDE).isdecimal()


class FoldOutcome(NamedTuple):
    """How a fold ended, as its result or failure file says."""

    is_finished: bool
    """Whether it left a result; else a failure."""
    ended_at: float
    """Seconds since the epoch."""
    exit_code: int
    seconds: float | None
    outcome: str | None = None
    """Of a failure, in one word: signal, timeout, no result, ..."""
    reason: str | None = None
    """Of a failure, the event that ended it, in one line."""
    root_cause: str | None = None
    """Of a failure, the causes with their confidence and its last line, in one line."""


class RunLayout:
    """The paths of one run; nothing is touched to build them.

    The methods that take a fold give the run's own file for ``None``: one process then runs every fold
    and writes into the run's directory.

    Args:
        path: The run's directory, absolute or relative.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return os.path.basename(os.path.abspath(self.path))

    @property
    def config(self) -> str:
        """The path of run.json."""
        return os.path.join(self.path, CONFIG)

    @property
    def lock(self) -> str:
        """The path of the file that the runner holds locked."""
        return os.path.join(self.path, LOCK)

    @property
    def summary_json(self) -> str:
        """The path of summary.json."""
        return os.path.join(self.path, SUMMARY_JSON)

    @property
    def summary_csv(self) -> str:
        """The path of summary.csv."""
        return os.path.join(self.path, SUMMARY_CSV)

    def set_aside(self, number: int) -> str:
        """Return the path of the ``number``-th directory of replaced files, counted from 1."""
        return os.path.join(self.path, set_aside_name(number))

    def fold_dir(self, fold: int | str | None) -> str:
        """Return the directory that fold ``fold`` writes to."""
        return self.path if fold is None else os.path.join(self.path, fold_name(fold))

    def journal(self, fold: int | str | None = None) -> str:
        """Return the path of a journal."""
        return os.path.join(self.fold_dir(fold), JOURNAL)

    def output(self, fold: int | None = None) -> str:
        """Return the path of the file that standard output and standard error go to."""
        return os.path.join(self.fold_dir(fold), OUTPUT)

    def result(self, fold: int) -> str:
        """Return the path of the file that a finished fold leaves."""
        return os.path.join(self.fold_dir(fold), RESULT)

    def failure(self, fold: int) -> str:
        """Return the path of the file that says how a fold failed."""
        return os.path.join(self.fold_dir(fold), FAILURE)

    def metrics(self, fold: int) -> str:
        """Return the path where a command of ``foldwatch run`` may leave an object of numbers."""
        return os.path.join(self.fold_dir(fold), METRICS)

    def folds_planned(self) -> int | None:
        """Return the number of folds that run.json names; None without a usable one."""
        folds = self.configured().get("folds")
        return folds if type(folds) is int and 0 < folds <= MOST_FOLDS else None

    def folds_written(self) -> set[int]:
        """Return the numbers up to MOST_FOLDS that have a directory; empty if the run's own cannot be read."""
        try:
            numbers = map(fold_number, os.listdir(self.path))
        except OSError:
            return set()
        return {number for number in numbers if number is not None and number <= MOST_FOLDS}

    def is_held(self) -> bool | None:
        """Return whether a runner holds the run's lock; None where nobody can tell: no lock file, or none on its file system."""
        try:
            with open_regular(self.lock) as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
        return False

    def command(self) -> list[str]:
        """Return the command of each fold that run.json names; empty without a usable one."""
        words = self.configured().get("command")
        return [str(word) for word in words] if isinstance(words, list) else []

    def configured(self) -> dict[str, Any]:
        """Return the configuration that run.json holds; empty without a usable one."""
        content = _read(self.config)
        config = content.get("config") if content else None
        return config if isinstance(config, dict) else {}

    def fold_outcome(self, fold: int) -> FoldOutcome | None:
        """Return how a fold ended; None until one of its two files is there and whole."""
        return outcome_in(self.fold_dir(fold))


def outcome_in(directory: str) -> FoldOutcome | None:
    """Return how the fold ended that wrote into ``directory``; None until one of its two files is there and whole."""
    for name in (RESULT, FAILURE):
        path = os.path.join(directory, name)
        content = _read(path)
        if content is None:
            continue
        return FoldOutcome(
            is_finished=name == RESULT,
            ended_at=_changed(path),
            exit_code=_checked(typed.exit_code, content.get("exit_code")) or 0,
            seconds=_checked(typed.seconds, content.get("seconds")),
            outcome=_short(content.get("outcome")),
            reason=_short(content.get("reason")),
            root_cause=_short(content.get("root_cause")),
        )
    return None


def find_journals(top: str, known: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the journals below ``top`` by the directory of the run that they belong to.

    A run is a directory with run.json or a journal of its own, or one that holds ``fold-K``. Links to
    directories are not followed. One that cannot be read now keeps what was ``known`` of it before: a file
    system that fails for a moment has not lost its runs. Without that it is a run without journals.
    """
    runs: dict[str, list[str]] = {}
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            names, folders = _entries(folder)
        except FileNotFoundError:
            continue  # gone since
        except OSError:
            runs.setdefault(_run_of(folder, top), [])
            for run, journals in known.items():
                kept = [path for path in journals if path.startswith(folder + os.sep)]
                if kept or run == folder or run.startswith(folder + os.sep):
                    runs.setdefault(run, []).extend(kept)
            continue
        pending += (os.path.join(folder, name) for name in folders)
        if JOURNAL in names:
            runs.setdefault(_run_of(folder, top), []).append(os.path.join(folder, JOURNAL))
        elif CONFIG in names:
            runs.setdefault(folder, [])
    return {run: sorted(journals) for run, journals in sorted(runs.items())}


def _entries(folder: str) -> tuple[set[str], list[str]]:
    names, folders = set(), []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                names.add(entry.name)
            elif not is_set_aside(entry.name):
                folders.append(entry.name)
    return names, folders


def _run_of(folder: str, top: str) -> str:
    is_fold = fold_number(os.path.basename(folder)) is not None
    return os.path.dirname(folder) if is_fold and folder != top else folder


def fold_of(journal: str) -> int | None:
    """Return the fold whose process alone writes ``journal``; None if folds share one."""
    return fold_number(os.path.basename(os.path.dirname(journal)))


def run_name(run: str, top: str) -> str:
    r"""Name a run by its path below ``top``, or by ``top`` itself if that is the run.

    Bytes that are no text are written as ``\xff``, by which two such names stay two.
    """
    name = os.path.basename(os.path.abspath(top)) if run == top else os.path.relpath(run, top)
    return os.fsencode(name).decode(errors="backslashreplace")


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open_regular(path) as file:
            return typed.load(file.read(LARGEST_BYTES))
    except (OSError, ValueError):
        return None


def _checked(check: typed.Check, value: object) -> Any:
    try:
        return check("", value)
    except ValueError:
        return None


def _short(value: object) -> str | None:
    text: str | None = _checked(typed.text, value)
    return None if text is None else text[:MOST_REASON]


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
