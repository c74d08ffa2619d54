"""What a run is: its configuration, its directory, and which of its folds are to do.

Owns run.json, the layout of a run directory, and what ``--resume-mode`` does to one. Nothing is ever
deleted: what a run replaces is moved into ``previous-N/``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from trainer.fold_result import RESULT, FoldResult, read_result, write_whole
from trainer.model_function import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
LOCK = ".lock"
PIPELINE_VERSION = 2
"""Raised when the reference pipeline changes what a fold computes, so old results are not mixed in."""

_OF_A_FOLD = re.compile(r"(?:fold-|modality_results_run_)(\d{1,9})(?:\.csv)?")
REMEDIES = ("caps", "bounds", "cleanup", "isolation")
"""What keeps a run from growing; ``--without`` switches it off, to show what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that a fold's result depends on."""

    folds: int
    epochs: int
    device_mode: str
    seed: int = 7
    model: str = REFERENCE
    """``package.module:function``: what trains a fold."""
    without: tuple[str, ...] = ()
    """Names of REMEDIES that are switched off."""
    pipeline: str = f"reference {PIPELINE_VERSION}"

    def digest(self) -> str:
        """A hash that two configurations share only if their results may be averaged."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths of one run."""

    path: str

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return os.path.basename(os.path.abspath(self.path))

    def fold(self, number: int) -> str:
        """The directory of one fold."""
        return os.path.join(self.path, f"fold-{number}")

    def result(self, number: int) -> FoldResult | None:
        """The whole result of a fold, or None."""
        return read_result(os.path.join(self.fold(number), RESULT))

    def config(self) -> RunConfig:
        """Read run.json. Raises InputError."""
        path = os.path.join(self.path, RUN)
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)["config"]
            return RunConfig(**content | {"without": tuple(content["without"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not the run.json of a run: {error}") from error

    def create(self) -> None:
        """Make the directory and see that it can be written to. Raises InputError."""
        try:
            os.makedirs(self.path, exist_ok=True)
            with open(os.path.join(self.path, LOCK), "ab"):
                pass
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runners out; the kernel lifts the lock when the process ends. Raises InputError."""
        with open(os.path.join(self.path, LOCK), "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(f"{self.path}: another run is writing here") from error
            yield

    def write_config(self, config: RunConfig) -> None:
        """Write run.json, whole or not at all."""
        content = {"schema": 1, "run": self.name, "config": asdict(config)}
        write_whole(os.path.join(self.path, RUN), json.dumps(content, indent=2) + "\n")

    def set_aside(self, names: list[str]) -> str | None:
        """Move these entries, where they are there, into a new ``previous-N``; return its path."""
        there = [name for name in names if os.path.lexists(os.path.join(self.path, name))]
        if not there:
            return None
        number = 1
        while os.path.exists(aside := os.path.join(self.path, f"previous-{number}")):
            number += 1
        os.mkdir(aside)
        for name in there:
            os.rename(os.path.join(self.path, name), os.path.join(aside, name))
        return aside


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and a sentence for each fold that is not run or was moved aside."""

    to_run: tuple[int, ...]
    skipped: tuple[int, ...]
    remarks: tuple[str, ...]


def plan(directory: RunDirectory, config: RunConfig, *, only: int | None, resume_mode: str) -> Plan:
    """Decide which folds to run and set aside what they would overwrite.

    ``auto`` skips a fold whose result is whole and was made with this very configuration; ``fresh``
    skips none.
    """
    wanted = range(1, config.folds + 1) if only is None else (only,)
    to_run, skipped, remarks = [], [], []
    for fold in wanted:
        result = directory.result(fold) if resume_mode == "auto" else None
        if result is not None and result.config_digest == config.digest():
            skipped.append(fold)
            remarks.append(f"fold {fold}: skipped, its result is whole")
            continue
        if result is not None:
            remarks.append(f"fold {fold}: runs again, its result is of another configuration")
        to_run.append(fold)
    names = [f"fold-{fold}" for fold in to_run]
    names += [f"modality_results_run_{fold}.csv" for fold in to_run]
    if only is None and not skipped:
        names += ["journal.jsonl", "output.log", "summary.json", "summary.csv"]
        names += _other_folds(directory, config.folds)
    aside = directory.set_aside(names)
    if aside is not None:
        remarks.append(f"earlier results moved to {aside}")
    return Plan(tuple(to_run), tuple(skipped), tuple(remarks))


def _other_folds(directory: RunDirectory, folds: int) -> list[str]:
    """Folds of an earlier run with more of them; they would be taken for this run's."""
    return [
        name
        for name in os.listdir(directory.path)
        if (match := _OF_A_FOLD.fullmatch(name)) and int(match[1]) > folds
    ]
