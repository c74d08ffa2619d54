"""`Lease`: the right to run one fold of a run, held by files alone, whatever host its holder is on.

    RUN/.leases/fold-3.2    the second attempt's: who holds it, on the first line; renewed by its time of change

The present lease of a name is the one with the highest number. Each is made whole and exclusively (link(2), or O_EXCL on a
file system without hard links), so of two that take the next number one has it. No clocks of two hosts are compared: who wants a lease that another holds watches it for as long as
its holder promised to renew it, by a monotonic clock of its own, unless the holder is proven to be gone on this host.
A holder looks at its lease before whatever counts, and has lost it once there is a later one, or it could not renew it for
that long (it was stopped, or the file system was away) and no lock keeps others out.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from telemetry.file_fault import reason
from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_folder, open_private
from telemetry.journal.run_layout import LEASES
from telemetry.kernel.process_identity import ProcessIdentity, is_alive, own_identity
from trainer.run.durable_files import NO_HARD_LINKS, sync_folder
from trainer.run.own_folder import open_to_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LEASE_SECONDS = 90.0
"""How long a holder that does not renew its lease keeps it."""
MOST_LEASE_SECONDS = 600.0
"""Nobody is waited for longer, whatever its lease says."""
RENEWALS = 6
"""In that time."""
MOST_NUMBER = 999_999
"""Of a lease; a file with a higher number is none."""
WATCH_SECONDS = 0.2
"""Between two looks at a lease that another holds."""
_RELEASED = b"released\n"
_LARGEST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease, as its file says."""

    token: str
    host: str
    process: ProcessIdentity
    lease_seconds: float
    has_released: bool
    """Whether it needs the lease no longer."""

    @property
    def is_gone(self) -> bool:
        """Whether it has released the lease, or is proven to have ended on this host."""
        return self.has_released or is_alive(self.process) is False

    def __str__(self) -> str:
        """Return where it runs."""
        return f"process {self.process.pid} on {self.host}"


class LeaseHeldError(Exception):
    """Another one holds the lease, and renews it."""


class Lease:
    """A lease that this process has taken; not for two threads at once."""

    def __init__(
        self, folder: str, name: str, number: int, *, seconds: float, is_guarded: bool
    ) -> None:
        """Make it. Raises OSError, FileExistsError if somebody else has made one of that number."""
        token = f"{number}-{secrets.token_hex(8)}"
        self.token = token
        """Marks what was written under this lease, for good."""
        self._folder, self._name, self._number = folder, name, number
        self._path = _path(folder, name, number)
        self._next = _path(folder, name, number + 1)
        self._descriptor = _make(self._path, token, seconds)
        """Of its file, which no other can be taken for while it is open."""
        self._seconds, self._is_guarded = seconds, is_guarded
        self._renewed_at = now()
        self._is_lost = False
        self.why_lost = ""
        """How that is known; empty while it is held."""

    @classmethod
    def take(  # noqa: PLR0913 - what is leased, and how it is waited for
        cls,
        folder: str,
        name: str,
        *,
        seconds: float = LEASE_SECONDS,
        is_guarded: bool = False,
        patience: float = 0.0,
        is_wanted: Callable[[], bool] = lambda: True,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Take the lease ``name`` below the run's ``folder``.

        Args:
            folder: The run's directory.
            name: What is leased: ``fold-3``.
            seconds: How long this holder may be silent before another one may take it.
            is_guarded: Whether a lock that is held meanwhile keeps others out: then it is not lost if it cannot be
                renewed, as on a file system that has become read-only.
            patience: How long to watch a holder that is known to live, or renews it; a silent one is watched for
                as long as it promised to renew it.
            is_wanted: Asked now and then while it is watched.
            on_wait: Hears once who holds it, if it has to be watched.

        Raises:
            LeaseHeldError: Another one holds it, or it is not wanted any more.
            OSError: It cannot be made.
        """
        _make_folder(os.path.join(folder, LEASES))
        watch = _Watch(time.monotonic() + patience, is_wanted, on_wait)
        while True:
            number = _highest(folder, name)
            if number >= MOST_NUMBER:
                leases = os.path.join(folder, LEASES)
                raise OSError(errno.EOVERFLOW, f"no number is left for {name}; remove it", leases)
            if number:
                watch.wait_until_free(_path(folder, name, number))
            if not is_wanted():
                raise LeaseHeldError("nobody who wants it")
            with suppress(FileExistsError):
                lease = cls(folder, name, number + 1, seconds=seconds, is_guarded=is_guarded)
                with suppress(OSError):  # what is two behind is nobody's: its holder misses it
                    os.unlink(_path(folder, name, number - 1))
                return lease

    def is_present(self) -> bool:
        """Whether it is held, and no later one is there, whatever its number: asked before what counts. Never raises."""
        if not self._is_lost and _highest(self._folder, self._name) > self._number:
            self._lose_to_successor()
        return self.is_held()

    def is_held(self) -> bool:
        """Whether the lease is this process's still, renewed if that is due; once lost it stays so. Never raises."""
        if self._is_lost:
            return False
        silent = now() - self._renewed_at
        try:
            is_taken = self._has_successor()
            if not is_taken and silent > self._seconds / RENEWALS:
                os.utime(self._descriptor)
                self._renewed_at = now()
                # Another may have taken it while this process was stopped before the line above.
                is_taken = os.path.lexists(self._next)
            if is_taken:
                self._lose_to_successor()
        except OSError as error:
            # The file system is away: it holds for as long as it was promised to others.
            if silent > self._seconds and not self._is_guarded:
                why = reason(error)
                self._is_lost = True
                self.why_lost = f"it could not be renewed for {silent:.0f} s: {why}"
        return not self._is_lost

    def _lose_to_successor(self) -> None:
        self._is_lost = True
        holder = read_holder(_path(self._folder, self._name, _highest(self._folder, self._name)))
        self.why_lost = f"{holder} has a later one" if holder else "a later one is there"

    def _has_successor(self) -> bool:
        """Whether there is a later lease; without its own file, which a second successor removes, it looks at all."""
        try:
            is_own = os.path.samestat(os.lstat(self._path), os.fstat(self._descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return _highest(self._folder, self._name) > self._number
        return not is_own or os.path.lexists(self._next)

    def release(self) -> None:
        """Let another one have it at once; what was written under it goes on to count."""
        if self.is_held():
            with suppress(OSError):
                os.write(self._descriptor, _RELEASED)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._is_lost = -1, True


class _Watch:
    """Watches leases that others hold, until one is free or the time is over."""

    def __init__(
        self, until: float, is_wanted: Callable[[], bool], on_wait: Callable[[str], None]
    ) -> None:
        self._until, self._is_wanted, self._on_wait = until, is_wanted, on_wait
        self._has_told = self._is_renewed = False
        self._seen: tuple[str, int] | None = None
        self._silent_since = 0.0

    def wait_until_free(self, path: str) -> None:
        """Return once nobody holds the lease at ``path``. Raises LeaseHeldError."""
        while True:
            holder = read_holder(path)
            if holder is not None and holder.is_gone:
                return
            try:
                state = path, os.stat(path).st_mtime_ns
            except FileNotFoundError:
                return  # a later one is there
            at = time.monotonic()
            if state != self._seen:
                self._is_renewed |= self._seen is not None
                self._seen, self._silent_since = state, at
            promised = LEASE_SECONDS if holder is None else holder.lease_seconds
            if at - self._silent_since > min(promised, MOST_LEASE_SECONDS):
                return
            who = str(holder) if holder else "another process"
            lives = self._is_renewed or (holder is not None and is_alive(holder.process) is True)
            if (lives and at > self._until) or not self._is_wanted():
                raise LeaseHeldError(who)
            if not self._has_told:
                self._has_told = True
                self._on_wait(who)
            time.sleep(WATCH_SECONDS)


def is_leased_elsewhere(folder: str, name: str) -> bool:
    """Whether somebody on another host holds the lease ``name``, as far as can be seen at once."""
    number = _highest(folder, name)
    holder = read_holder(_path(folder, name, number)) if number else None
    if holder is None or holder.has_released:
        return False
    return holder.process.boot_id != own_identity().boot_id


def present_token(folder: str, name: str) -> str | None:
    """Return the token of the present lease of ``name``; None without one that can be read."""
    return present_tokens(folder, name).get(name)


def present_tokens(folder: str, only: str | None = None) -> Mapping[str, str | None]:
    """Return the token of each name's present lease, or of one name's; None for one that cannot be read."""
    highest: dict[str, int] = {}
    for name, number in _leases(folder):
        if only in {None, name}:
            highest[name] = max(number, highest.get(name, 0))
    holders = {name: read_holder(_path(folder, name, n)) for name, n in highest.items()}
    return {name: holder.token if holder else None for name, holder in holders.items()}


def read_holder(path: str) -> Holder | None:
    """Return who holds the lease at ``path``; None where that cannot be read, as in the moment in which it is made."""
    try:
        with open_regular(path) as file:
            line, _, rest = file.read(_LARGEST_BYTES).partition(b"\n")
        content = typed.fields_of(typed.load(line), _CHECKS)
        return Holder(
            token=content["token"],
            host=content["host"],
            process=ProcessIdentity(*(content.get(name) for name in ProcessIdentity._fields)),  # type: ignore[arg-type] # checked above
            lease_seconds=content["lease_seconds"],
            has_released=rest == _RELEASED,
        )
    except (OSError, ValueError, KeyError):
        return None


_CHECKS: Mapping[str, typed.Check] = {
    "token": typed.text,
    "host": typed.text,
    "boot_id": typed.text,
    "pid_namespace": typed.whole,
    "pid": typed.whole,
    "start_ticks": typed.whole,
    "lease_seconds": typed.seconds,
}


def _make(path: str, token: str, seconds: float) -> int:
    """Write the file, whole at once; return its descriptor. Raises OSError, FileExistsError if somebody else has made it."""
    content = {
        "token": token,
        "host": socket.gethostname(),
        **own_identity()._asdict(),
        "lease_seconds": seconds,
    }
    line = json.dumps(content).encode() + b"\n"
    draft = f"{path}.{secrets.token_hex(6)}.part"
    descriptor = _write_new(draft, line)
    try:
        os.link(draft, path)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in NO_HARD_LINKS:
            raise
        descriptor = _write_new(path, line)
    finally:
        with suppress(OSError):
            os.unlink(draft)
    try:
        sync_folder(os.path.dirname(path))
    except OSError:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor


def _write_new(path: str, line: bytes) -> int:
    """Write a new file that outlives a loss of power, as the result does that it vouches for. Raises OSError."""
    descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
    try:
        while line:  # a write may take a part of it
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor


def remove_leases(folder: str, name: str) -> None:
    """Remove every lease of ``name``: only for who knows that nobody can hold one, such as a runner before its fold begins.

    Another fold may have planted them. Never raises.
    """
    place = os.path.join(folder, LEASES)
    open_to_owner(place)
    with suppress(OSError):
        for entry in [] if os.path.islink(place) else os.listdir(place):
            if entry.rpartition(".")[0] == name:
                with suppress(OSError):
                    os.unlink(os.path.join(place, entry))


def _highest(folder: str, name: str) -> int:
    return max((number for of, number in _leases(folder) if of == name), default=0)


def _leases(folder: str) -> Iterator[tuple[str, int]]:
    """Give name and number of each lease; none of a folder that cannot be read, or is none."""
    try:
        entries = os.listdir(os.path.join(folder, LEASES))
    except OSError:
        return
    for entry in entries:
        name, _, number = entry.rpartition(".")
        if number.isascii() and number.isdecimal() and 0 < int(number[:7]) <= MOST_NUMBER:
            yield name, int(number[:7])


def _make_folder(path: str) -> None:
    """Make the folder of the leases; what a fold has put in its place is renamed. Raises OSError."""
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isdir(path)):
        os.rename(path, f"{path}.{os.urandom(4).hex()}")
    make_folder(path)
    open_to_owner(path)


def _path(folder: str, name: str, number: int) -> str:
    return os.path.join(folder, LEASES, f"{name}.{number}")


def now() -> float:
    """Seconds that go on while the process is stopped or the machine sleeps: its others' do, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
