"""`Lease`: the right to run one fold of a run, held by files alone, whatever host its holder is on.

    RUN/.leases/fold-3.2    the second attempt's: who holds it, on the first line; renewed by its time of change

The present lease of a name is the one with the highest number. Each is made exclusively (O_EXCL), so of two that take the
next number one has it. No clocks of two hosts are compared: who wants a lease that another holds watches it for as long as
its holder promised to renew it, by a monotonic clock of its own, unless the holder is proven to be gone on this host.
A holder looks at its lease before whatever counts, and has lost it once there is a later one, or it could not renew it for
that long (it was stopped, or the file system was away).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_folder, open_private
from telemetry.journal.run_layout import LEASES
from telemetry.kernel.process_identity import ProcessIdentity, is_alive, own_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LEASE_SECONDS = 90.0
"""How long a holder that does not renew its lease keeps it."""
RENEWALS = 6
"""In that time."""
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

    def __init__(self, folder: str, name: str, number: int, token: str, seconds: float) -> None:
        self.token = token
        """Marks what was written under this lease, for good."""
        self._folder, self._name, self._number = folder, name, number
        self._path = _path(folder, name, number)
        self._next = _path(folder, name, number + 1)
        self._seconds = seconds
        self._renewed_at = now()
        self._is_lost = False

    @classmethod
    def take(
        cls,
        folder: str,
        name: str,
        *,
        seconds: float = LEASE_SECONDS,
        patience: float = 0.0,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Self:
        """Take the lease ``name`` below the run's ``folder``.

        Args:
            folder: The run's directory.
            name: What is leased: ``fold-3``.
            seconds: How long this holder may be silent before another one may take it.
            patience: How long to watch one that another holds; more than its holder promised is needed to see
                that it is silent.
            is_wanted: Asked now and then while it is watched.

        Raises:
            LeaseHeldError: Another one holds it, or it is not wanted any more.
            OSError: It cannot be made.
        """
        make_folder(os.path.join(folder, LEASES))
        watch = _Watch(time.monotonic() + patience, is_wanted)
        while True:
            number = _highest(folder, name)
            if number:
                watch.wait_until_free(_path(folder, name, number))
            token = f"{number + 1}-{secrets.token_hex(8)}"
            with suppress(FileExistsError):
                _make(_path(folder, name, number + 1), token, seconds)
                with suppress(OSError):  # what is two behind is nobody's: its holder misses it
                    os.unlink(_path(folder, name, number - 1))
                return cls(folder, name, number + 1, token, seconds)

    def is_held(self) -> bool:
        """Whether the lease is this process's still, renewed if that is due; once lost it stays so. Never raises."""
        if self._is_lost:
            return False
        silent = now() - self._renewed_at
        try:
            self._is_lost = self._has_successor()
            if not self._is_lost and silent > self._seconds / RENEWALS:
                os.utime(self._path)
                self._renewed_at = now()
                # Another may have taken it while this process was stopped before the line above.
                self._is_lost = os.path.lexists(self._next)
        except (
            OSError
        ):  # the file system is away: it holds for as long as it was promised to others
            self._is_lost = silent > self._seconds
        return not self._is_lost

    def _has_successor(self) -> bool:
        """Whether there is a later lease; without its own file, which a second successor removes, it looks at all."""
        if os.path.lexists(self._path):
            return os.path.lexists(self._next)
        return _highest(self._folder, self._name) > self._number

    def release(self) -> None:
        """Let another one have it at once; what was written under it goes on to count."""
        if self.is_held():
            with suppress(OSError):
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
                os.write(descriptor, _RELEASED)
                os.close(descriptor)


class _Watch:
    """Watches leases that others hold, until one is free or the time is over."""

    def __init__(self, until: float, is_wanted: Callable[[], bool]) -> None:
        self._until, self._is_wanted = until, is_wanted
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
                self._seen, self._silent_since = state, at
            promised = LEASE_SECONDS if holder is None else holder.lease_seconds
            if at - self._silent_since > promised:
                return
            if at > self._until or not self._is_wanted():
                raise LeaseHeldError(str(holder) if holder else "another process")
            time.sleep(WATCH_SECONDS)


def present_token(folder: str, name: str) -> str | None:
    """Return the token of the present lease of ``name``; None without one that can be read."""
    return present_tokens(folder, name).get(name)


def present_tokens(folder: str, only: str | None = None) -> Mapping[str, str | None]:
    """Return the token of each name's present lease, or of one name's; None for one that cannot be read."""
    highest: dict[str, int] = {}
    for entry in _entries(folder):
        name, _, number = entry.rpartition(".")
        if only in {None, name} and number.isdecimal() and number.isascii():
            highest[name] = max(int(number[:9]), highest.get(name, 0))
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


def _make(path: str, token: str, seconds: float) -> None:
    """Raises OSError, FileExistsError if somebody else has made it."""
    own = own_identity()
    content = {
        "token": token,
        "host": socket.gethostname(),
        **own._asdict(),
        "lease_seconds": seconds,
    }
    descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
    try:
        os.write(descriptor, json.dumps(content).encode() + b"\n")
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _highest(folder: str, name: str) -> int:
    numbers = [
        entry.removeprefix(f"{name}.") for entry in _entries(folder) if entry.startswith(f"{name}.")
    ]
    return max((int(n[:9]) for n in numbers if n.isascii() and n.isdecimal()), default=0)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(os.path.join(folder, LEASES))
    except FileNotFoundError:
        return []


def _path(folder: str, name: str, number: int) -> str:
    return os.path.join(folder, LEASES, f"{name}.{number}")


def now() -> float:
    """Seconds that go on while the process is stopped or the machine sleeps: its others' do, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
