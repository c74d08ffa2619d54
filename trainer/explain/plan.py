"""`LookPlan`: which program a second look runs again, and between which two of its labels, from a run's record."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.processes.inputs import find_inputs
from analyzer.processes.reading import read_inputs
from telemetry.errors import InputError
from telemetry.journal.run_layout import RunLayout, fold_of
from telemetry.masking import is_masked
from trainer.run.directory import RunDirectory
from trainer.run.job import training_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.processes.process import Process
    from trainer.run.config import RunConfig

LAST_STAGE = "AFTER CLEANUP"
"""Of a fold of `foldwatch train`."""
_PYTHON = re.compile(r"python(?:3(?:\.\d{1,2})?)?")
_OPTIONS_WITH_VALUE = {"-X", "-W"}
Label = tuple[int | None, str]


@dataclass(frozen=True, slots=True)
class LookPlan:
    """A program to run again, and what to track of it."""

    fold: int
    interpreter: tuple[str, ...]
    program: tuple[str, ...]
    """A script with its arguments, or ``-m`` and a module with its own; empty for `foldwatch train`."""
    begin: Label | None
    """None for the first label."""
    end: Label | None
    """None for the end of the program."""
    folds: tuple[int, ...] = ()
    """Of `foldwatch train`, to be trained one after another; else the program runs its own."""
    config: RunConfig | None = None
    environment: dict[str, str] = field(default_factory=dict)
    recorded_seconds: float | None = None
    """Between the two labels, as recorded; None where that is not known."""

    @property
    def words(self) -> str:
        """What is tracked, in words."""
        if self.begin is None or self.end is None:
            return f"between the first and the last label of fold {self.fold}"
        return f"between {self.begin[1]!r} of fold {self.begin[0]} and that of fold {self.end[0]}"


def make_plan(path: str, *, fold: int | None, command: Sequence[str] = ()) -> LookPlan:
    """Make the plan for a run directory.

    Args:
        path: The run's directory.
        fold: The fold to look at; None for the second one, since libraries load in the first.
        command: What to run in place of the recorded command.

    Raises:
        InputError: There is no such run or fold, its command cannot be repeated, or it is no Python program.
    """
    config = _configured(path)
    if "model" in config and not command:
        return _plan_of_training(path, fold)
    processes = _recorded(path)
    begin: Label | None = None
    own = {number: process for process in processes if (number := fold_of(process.source))}
    if own:  # each fold has a process of its own
        number = fold or min(own)
        if number not in own:
            raise InputError(f"{path}: no labels of fold {number}; there are {_listed(own)}")
        process = own[number]
        end: Label = (None, [*process.checkpoints.labels()][-1].stage)
    else:
        process = max(processes, key=lambda process: len(process.folds))
        number = fold or (2 if 2 in process.folds else next(iter(process.folds), 1))
        stage = _last_stage(process, number, path)
        begin = (number - 1, stage) if number - 1 in process.folds else None
        end = (number, stage)
    words = [*command] or RunLayout(path).command() or ["python", *process.argv]
    if is_masked(words):
        raise InputError(
            f"{path}: its command holds a secret that is not recorded; repeat it: -- COMMAND"
        )
    folds = str(config.get("folds", len(process.folds)))
    filled = [word.replace("{fold}", str(number)).replace("{folds}", folds) for word in words]
    interpreter, program = _python_program(filled)
    return LookPlan(
        number,
        interpreter,
        program,
        begin,
        end,
        environment={"FOLDWATCH_FOLD": str(number), "FOLDWATCH_FOLDS": folds} if own else {},
        recorded_seconds=_seconds_between(process, begin, end),
    )


def _listed(folds: Iterable[int]) -> str:
    """Return folds in words: ``folds 1, 2, 3``, or that there is none."""
    numbers = ", ".join(map(str, sorted(folds)))
    return f"folds {numbers}" if numbers else "no folds"


def _seconds_between(process: Process, begin: Label | None, end: Label) -> float | None:
    """Return the time between two labels of a record, the first one where ``begin`` is None."""
    found = {(row.label.fold, row.label.stage): row.time for row in process.checkpoints}
    first = next(iter(found.values()), None) if begin is None else found.get(begin)
    last = found.get(end)
    return None if first is None or last is None or last <= first else last - first


def _configured(path: str) -> dict[str, Any]:
    if not os.path.isdir(path):
        raise InputError(f"{path}: not a directory; name the one of a run")
    return RunLayout(path).configured()


def _plan_of_training(path: str, fold: int | None) -> LookPlan:
    config = RunDirectory(path).config()
    number = fold or min(2, config.folds)
    if not 1 <= number <= config.folds:
        raise InputError(f"--fold {number}: there are folds 1 to {config.folds}")
    before = number - 1 or number + 1
    return LookPlan(
        number,
        (sys.executable,),
        (),
        (before, LAST_STAGE),
        (number, LAST_STAGE),
        folds=(before, number),
        config=config,
        environment=dict(training_job(config).caps),
    )


def _recorded(path: str) -> list[Process]:
    """Return the processes of the run whose labels are recorded. Raises InputError if there is none."""
    tables = read_inputs(find_inputs([path]))
    processes = [process for table in tables for process in table.processes]
    found = [process for process in processes if process.is_recorded and process.checkpoints]
    if not found:
        raise InputError(
            f"{path}: no labels are recorded, between which to look; call telemetry.checkpoint() in the program"
        )
    return found


def _last_stage(process: Process, fold: int, path: str) -> str:
    stages = [label.stage for label in process.checkpoints.labels() if label.fold == fold]
    if not stages:
        raise InputError(f"{path}: no labels of fold {fold}; there are {_listed(process.folds)}")
    return stages[-1]


def _python_program(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a command into the interpreter with its options, and the program with its own. Raises InputError."""
    if any("\0" in word for word in words):
        raise InputError(
            f"{words[0]!r:.80}: a word of the command holds a NUL, which no program can get"
        )
    if words[0].endswith(".py"):
        return (sys.executable,), tuple(words)
    if not _PYTHON.fullmatch(os.path.basename(words[0])):
        raise InputError(
            f"{words[0]}: not a Python program, which alone can be looked into; name one: -- python ..."
        )
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-m":
        if words[at] == "-c":
            raise InputError("python -c: write it into a file to look into it")
        at += 2 if words[at] in _OPTIONS_WITH_VALUE else 1
    if at >= len(words):
        raise InputError(f"{' '.join(words)}: names no program")
    interpreter = sys.executable if words[0] == os.path.basename(words[0]) else words[0]
    return (interpreter, *words[1:at]), tuple(words[at:])
