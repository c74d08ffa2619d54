"""A run's directory: who may write to it, and what a later run of the same directory does to it.

``run.json`` is written first. ``.lock`` is locked (man 2 flock) while a run writes; a second run of the same
directory ends with an error. Nothing is ever deleted: files and folds that a run replaces are moved into
``previous-N/``.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from telemetry.journal import typed
from telemetry.journal.atomic_write import append_regular, open_regular
from telemetry.journal.private_files import make_folder
from telemetry.journal.run_layout import LARGEST_BYTES, RunLayout
from telemetry.masking import masked
from trainer.run.config import CommandConfig, Config, RunConfig
from trainer.run.fold_result import FoldResult, read_result, sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCK_SECONDS = 3.0
"""How long to wait for the lock: that of a killed runner is held until its last process is gone."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run, as the runner and its workers use it."""

    path: str

    @property
    def layout(self) -> RunLayout:
        """The paths of everything in it."""
        return RunLayout(self.path)

    @property
    def name(self) -> str:
        """The run's name: its directory's."""
        return self.layout.name

    def fold(self, number: int) -> str:
        """The directory of one fold."""
        return self.layout.fold_dir(number)

    def result(self, number: int) -> FoldResult | None:
        """The whole result of a fold, or None; that of another fold is none of it."""
        found = read_result(self.layout.result(number))
        return found if found is not None and found.fold == number <= found.folds else None

    def disown_result(self, number: int) -> None:
        """Rename the result that a fold's own command has left: the runner's word alone counts. Raises OSError."""
        path = self.layout.result(number)
        target = f"{path}.of-the-fold"
        if os.path.lexists(target):  # the fold may have put anything there
            target += f".{os.urandom(4).hex()}"
        with suppress(FileNotFoundError):
            os.rename(path, target)

    def results(self, config: Config, *, data_digest: str | None) -> list[FoldResult]:
        """The whole results that may be averaged: of ``config``, and of that data if it is known."""
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
        path = self.layout.config
        try:
            with open_regular(path) as file:
                config = typed.load(file.read(LARGEST_BYTES)).get("config")
            return RunConfig(**typed.fields_of(typed.mapping(path, config), _CHECKS))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not the run.json of a run: {error}") from error

    def remove_summary(self) -> None:
        """Remove a summary that is not true any more."""
        for path in (self.layout.summary_json, self.layout.summary_csv):
            with suppress(OSError):
                os.unlink(path)

    def create(self) -> None:
        """Make the directory and see that it can be written to. Raises InputError."""
        try:
            make_folder(self.path)
            append_regular(self.layout.lock).close()
        except FileExistsError as error:
            raise InputError(f"{self.path}: a file; name a directory for the run") from error
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Keep other runners out; give the lock's descriptor. Raises InputError.

        The kernel releases the lock when the last process that holds the descriptor has ended: the runner
        or, if it was killed, the supervisors that still end its folds' processes.
        """
        with append_regular(self.layout.lock) as file:
            deadline = time.monotonic() + LOCK_SECONDS
            while not _lock(file.fileno()):
                if time.monotonic() > deadline:
                    raise InputError(f"{self.path}: another run is writing here")
                time.sleep(0.05)
            yield file.fileno()

    def is_held(self, lock: int) -> bool:
        """Whether the lock in the directory is still the one that ``lock`` is open on: else another run may write here."""
        try:
            found, held = os.stat(self.layout.lock), os.fstat(lock)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def write_config(self, config: Config) -> None:
        """Write run.json, whole or not at all; a command without its secrets, which the digest is of."""
        values = asdict(config)
        if isinstance(config, CommandConfig):
            values["command"] = masked(config.command)
        content = {"schema": 1, "run": self.name, "config": values}
        write_whole(self.layout.config, json.dumps(content, indent=2) + "\n")

    def set_aside(self, names: list[str]) -> str | None:
        """Move the entries that exist into a new ``previous-N``; return its path, None if none exists."""
        present = [name for name in names if os.path.lexists(os.path.join(self.path, name))]
        if not present:
            return None
        number = 1
        while os.path.lexists(backup_dir := self.layout.set_aside(number)):
            number += 1
        make_folder(backup_dir)
        for name in present:
            os.rename(os.path.join(self.path, name), os.path.join(backup_dir, name))
        sync_folder(backup_dir)
        sync_folder(self.path)
        return backup_dir


_CHECKS: Mapping[str, typed.Check] = {
    "folds": typed.whole,
    "epochs": typed.whole,
    "device_mode": typed.text,
    "seed": typed.plain,
    "model": typed.text,
    "without": typed.tuple_of(typed.text),
    "pipeline": typed.text,
}


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
