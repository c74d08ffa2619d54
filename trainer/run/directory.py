"""A run's directory: who may write to it, and what a later run of the same directory does to it.

``run.json`` is written first. ``.lock`` is locked (man 2 flock) while a run writes; a second run of the same
directory ends with an error. Nothing is ever deleted: files and folds that a run replaces are moved into
``previous-N/``.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from telemetry.file_fault import reason
from telemetry.journal import typed
from telemetry.journal.atomic_write import append_regular, open_regular
from telemetry.journal.private_files import make_folder
from telemetry.journal.run_layout import LARGEST_BYTES, RunLayout, fold_name
from telemetry.masking import masked
from trainer.run.config import CommandConfig, Config, RunConfig
from trainer.run.durable_files import check_room, link_new, sync_folder, write_whole
from trainer.run.fold_result import FoldResult, read_result
from trainer.run.lease import (
    Lease,
    LeaseHeldError,
    is_leased_elsewhere,
    present_token,
    present_tokens,
)
from trainer.run.lock_holders import holders_of_lock, wake_left_behind
from trainer.run.own_folder import open_to_owner
from trainer.run.warning import warn
from trainer.run.worker_protocol import result_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trainer.run.lock_holders import LockHolder

LOCK_SECONDS = 3.0
"""How long to wait for the lock: that of a killed runner is held until its last process is gone."""

ROOM_BYTES = 16384
"""For run.json, two summaries, and the first lease."""
RUNNER = "runner"
"""The name of the lease that stands for the lock where the file system has none."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What flock(2) fails with on file systems without it, as some mounts of Lustre and NFS are."""


class RunLock:
    """What keeps other runners out of a run's directory: a lock, or a lease where the file system has no locks."""

    def __init__(self, path: str, descriptor: int, lease: Lease | None, *, has_locks: bool) -> None:
        self.has_locks = has_locks
        """Whether its file system has locks; else the lease alone stands for one."""
        self.descriptor = descriptor
        """Of the lock file; what holds it open holds the lock."""
        self._path = path
        self._lease = lease

    def renew(self) -> bool:
        """Renew a lease if that is due; whether it is not lost. A lock needs nothing."""
        return self._lease is None or self._lease.is_held()

    def is_held(self) -> bool:
        """Whether it still keeps others out: the lock file may have been removed or replaced."""
        try:
            found, held = os.stat(self._path), os.fstat(self.descriptor)
        except OSError:
            return False
        return self.renew() and (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


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

    def is_apart(self, number: int) -> bool:
        """Whether a fold's directory is on another file system than the run's: its command may have mounted one there."""
        try:
            return os.stat(self.fold(number)).st_dev != os.stat(self.path).st_dev
        except OSError:
            return False

    def result(self, number: int) -> FoldResult | None:
        """The whole result of a fold, or None; that of another fold, or of an earlier attempt, is none of it."""
        return self._result(number, present_tokens(self.path, fold_name(number)))

    def _result(self, number: int, tokens: Mapping[str, str | None]) -> FoldResult | None:
        found = read_result(self.layout.result(number))
        if found is None or not found.fold == number <= found.folds:
            return None
        # Without a lease that can be read it is of a version that had none, or was copied, or the lease was spoilt.
        return found if (tokens.get(fold_name(number)) or found.attempt) == found.attempt else None

    def token(self, number: int) -> str | None:
        """The token of a fold's present lease; None without one that can be read."""
        return present_token(self.path, fold_name(number))

    def counts(self, number: int, attempt: str) -> bool:
        """Whether what that attempt wrote of a fold counts: no later one has its lease."""
        return (self.token(number) or attempt) == attempt

    def publish(self, result: FoldResult) -> None:
        """Make ``result`` the fold's own, in place of what another attempt or the fold's command has left.

        Raises OSError: it cannot be written, or (ESTALE) another attempt holds the fold's lease by now.
        """
        folder, target = self.fold(result.fold), self.layout.result(result.fold)
        own = os.path.join(folder, result_name(result.attempt))
        result.write(folder, name=os.path.basename(own))
        while not link_new(own, target):
            if not self.counts(result.fold, result.attempt):
                raise OSError(errno.ESTALE, "another attempt of the fold holds its lease", target)
            self.disown_result(result.fold, token=result.attempt)
        with suppress(FileNotFoundError):
            os.unlink(own)
        sync_folder(folder)

    def disown_result(self, number: int, *, token: str | None = None) -> None:
        """Rename the result that a fold's own command has left: the runner's word alone counts. Raises OSError.

        An attempt, by its ``token``, puts back what turns out to be a later attempt's: it may have been stopped since it
        saw that it had the lease.
        """
        path = self.layout.result(number)
        target = f"{path}.of-the-fold"
        if os.path.lexists(target):  # the fold may have put anything there
            target += f".{os.urandom(4).hex()}"
        with suppress(FileNotFoundError):
            os.rename(path, target)
            found, present = read_result(target), self.token(number)
            is_later = found is not None and token is not None and token != present
            if (
                is_later
                and found is not None
                and found.attempt == present
                and link_new(target, path)
            ):
                with suppress(FileNotFoundError):
                    os.unlink(target)

    def results(self, config: Config, *, data_digest: str | None) -> list[FoldResult]:
        """The whole results that may be averaged: of ``config``, and of that data if it is known."""
        tokens = present_tokens(self.path)
        found = [self._result(fold, tokens) for fold in range(1, config.folds + 1)]
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

    def check_room(self) -> None:
        """See that there is room for what a run writes first, before it moves anything. Raises OSError."""
        check_room(self.path, ROOM_BYTES)

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
            where = error.filename or self.path
            raise InputError(f"{where}: cannot be written: {reason(error)}") from error

    @contextmanager
    def locked(self) -> Iterator[RunLock]:
        """Keep other runners out. Raises InputError.

        The kernel releases the lock when the last process that holds the descriptor has ended: the runner
        or, if it was killed, the supervisors that still end its folds' processes.
        """
        with append_regular(self.layout.lock) as file:
            deadline, has_locks, has_looked = time.monotonic() + LOCK_SECONDS, True, False
            try:
                while not _lock(file.fileno()):
                    if time.monotonic() > deadline:
                        raise InputError(_in_use(self.path, holders_of_lock(self.layout.lock)))
                    if not has_looked and time.monotonic() > deadline - LOCK_SECONDS / 2:
                        wake_left_behind(holders_of_lock(self.layout.lock))
                        has_looked = True
                    time.sleep(0.05)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise InputError(f"{self.path}: cannot be locked: {reason(error)}") from error
                has_locks = False
            # On another host the same directory may have no locks: its runner has a lease.
            needs_lease = not has_locks or is_leased_elsewhere(self.path, RUNNER)
            lease = self._lease_of_runner() if needs_lease else None
            try:
                yield RunLock(self.layout.lock, file.fileno(), lease, has_locks=has_locks)
            finally:
                if lease is not None:
                    lease.release()

    def _lease_of_runner(self) -> Lease:
        try:
            return Lease.take(
                self.path,
                RUNNER,
                patience=LOCK_SECONDS,
                on_wait=lambda who: warn(f"{self.path}: waiting for the lease of {who}"),
            )
        except LeaseHeldError as error:
            raise InputError(f"{self.path}: another run is writing here: {error}") from error
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {reason(error)}") from error

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
            open_to_owner(os.path.join(self.path, name))
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


def _in_use(path: str, holders: Sequence[LockHolder]) -> str:
    """Name the runner if there is one, not what works for it, unless that is stopped."""
    told = [holder for holder in holders if holder.is_stopped or not holder.is_of_runner] or holders
    by = f": {', '.join(map(str, told))}" if told else ""
    return f"{path}: another run is writing here{by}"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
