"""What a run is: its configuration, its directory, and which of its folds are to do.

Owns run.json, the layout of a run directory, and what ``--resume-mode`` does to one. Nothing is ever
deleted: what a run replaces is moved into ``previous-N/``.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from trainer.run.config import Config, RunConfig
from trainer.run.fold_result import RESULT, FoldResult, read_result, sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "run.json"
LOCK = ".lock"
LOCK_SECONDS = 3.0
"""How long a lock is waited for: a runner that was killed holds it until its last process is gone."""


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
