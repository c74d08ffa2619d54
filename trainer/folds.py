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
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias

from telemetry.errors import InputError
from trainer.fold_result import RESULT, FoldResult, read_result, sync_folder, write_whole
from trainer.model_function import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
LOCK = ".lock"
LOCK_SECONDS = 3.0
"""How long a lock is waited for: a runner that was killed holds it until its last process is gone."""
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
        return _digest(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandConfig:
    """What is known of a run of somebody's command: its line, before ``{fold}`` is filled in."""

    folds: int
    command: tuple[str, ...]

    def digest(self) -> str:
        """A hash that two command lines share only if they are the same."""
        return _digest(self)


Config: TypeAlias = RunConfig | CommandConfig


def _digest(config: Config) -> str:
    text = json.dumps(asdict(config), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


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

    def results(self, config: Config, *, data_digest: str | None) -> list[FoldResult]:
        """The whole results that may be averaged: of ``config``, and of that data where it is known."""
        found = [self.result(fold) for fold in range(1, config.folds + 1)]
        return [
            result
            for result in found
            if result is not None
            and result.config_digest == config.digest()
            and (data_digest is None or result.data_digest == data_digest)
        ]

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
        except FileExistsError as error:
            raise InputError(f"{self.path}: a file; name a directory for the run") from error
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Keep other runners out; give the lock's descriptor. Raises InputError.

        The kernel lifts the lock when the last process that holds the descriptor has ended: the runner
        or, where that was killed, what has yet to end its folds' processes.
        """
        with open(os.path.join(self.path, LOCK), "ab") as file:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise InputError(f"{self.path}: another run is writing here")
                time.sleep(0.05)
            yield file.fileno()

    def write_config(self, config: Config) -> None:
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
        sync_folder(aside)
        sync_folder(self.path)
        return aside


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and a sentence for each fold that is not run or was moved aside."""

    to_run: tuple[int, ...]
    skipped: tuple[int, ...]
    remarks: tuple[str, ...]
    data_digest: str | None = None
    """Of the data and its split, where it was asked for; other results are in no mean."""


def plan(
    directory: RunDirectory,
    config: Config,
    *,
    only: int | None,
    resume_mode: str,
    data_digest: str | None = None,
) -> Plan:
    """Decide which folds to run and set aside what they would overwrite.

    ``auto`` skips a fold whose result is whole and was made with this very configuration, and with
    data and a split of this very ``data_digest`` where one is given; ``fresh`` skips none.
    """
    wanted = range(1, config.folds + 1) if only is None else (only,)
    to_run, skipped, remarks = [], [], []
    for fold in wanted:
        why = _why_to_run(directory, fold, config, data_digest) if resume_mode == "auto" else ""
        if why is None:
            skipped.append(fold)
            remarks.append(f"fold {fold}: skipped, its result is whole")
            continue
        to_run.append(fold)
        if why:
            remarks.append(f"fold {fold}: {why}")
    names = [f"fold-{fold}" for fold in to_run]
    names += [f"modality_results_run_{fold}.csv" for fold in to_run]
    if only is None and not skipped:
        names += ["journal.jsonl", "output.log", "summary.json", "summary.csv"]
        names += _other_folds(directory, config.folds)
    aside = directory.set_aside(names)
    if aside is not None:
        remarks.append(f"earlier results moved to {aside}")
    return Plan(tuple(to_run), tuple(skipped), tuple(remarks), data_digest)


def _other_folds(directory: RunDirectory, folds: int) -> list[str]:
    """Folds of an earlier run with more of them; they would be taken for this run's."""
    return [
        name
        for name in os.listdir(directory.path)
        if (match := _OF_A_FOLD.fullmatch(name)) and int(match[1]) > folds
    ]


def _why_to_run(
    directory: RunDirectory, fold: int, config: Config, data_digest: str | None
) -> str | None:
    """Return why ``fold`` cannot be skipped, or None where it can."""
    result = directory.result(fold)
    if result is None:
        return "runs, there is no whole result of it"
    if result.config_digest != config.digest():
        return "runs again, its result is of another configuration"
    if data_digest is not None and result.data_digest != data_digest:
        return "runs again, its result is of other data or another split"
    return None
