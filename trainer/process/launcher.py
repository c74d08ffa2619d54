"""Launching a fold's process: on this machine, below a supervisor of its own.

Owns the seam: `ProcessSpec` says what to run, `SupervisedProcess` is the running thing. Another engine (a cluster's)
would give the same few methods. It must not know what is run, or what becomes of it.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.process import supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process to be."""

    command: Sequence[str]
    environment: Mapping[str, str]
    output_path: str
    """Both output streams are appended to it, by the process itself: no byte passes the runner."""
    is_persistent: bool = False
    """Whether its standard input is a socket to the runner; else there is none."""
    cgroups: Sequence[str] = ()
    """Folders that it joins before it runs; they are removed when it is gone."""
    keep_open: Sequence[int] = ()
    """Descriptors that the supervisor holds until all is gone: the run directory's lock."""


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended."""

    exit_code: int
    """As the shell says it: 128 + N for signal N."""
    signal: str | None
    left: int = 0
    """Processes of it that could not be killed."""

    @classmethod
    def of(cls, code: int, *, left: int = 0) -> ExitStatus:
        """Translate an exit code that is negative for a signal."""
        if code >= 0:
            return cls(code, None, left)
        return cls(128 - code, _signal_name(-code), left)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal between the two that have names
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


class SupervisedProcess:
    """One process that is there and waits until `start`.

    Invariant: once `poll` has returned an ending, neither it nor anything that it started lives,
    but for what ``left`` counts.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        """Make the process. Raises OSError."""
        self.control, theirs = socket.socketpair()
        self.orders: socket.socket | None = None
        orders_theirs: socket.socket | None = None
        if spec.is_persistent:
            self.orders, orders_theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), "\n".join(spec.cgroups), *spec.command]
        try:
            with theirs, open(spec.output_path, "ab") as output:
                self._supervisor = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
                    env=spec.environment,
                    stdin=subprocess.DEVNULL if orders_theirs is None else orders_theirs.fileno(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(theirs.fileno(), *spec.keep_open),
                    start_new_session=True,
                )
        except BaseException:
            self.no_more_orders()
            self.control.close()
            raise
        finally:
            if orders_theirs is not None:
                orders_theirs.close()
        self.supervisor_pid = self._supervisor.pid
        self.lost_supervisor = False
        """Whether its supervisor was killed: the process is, too, but not what it has started."""
        self._said = b""
        words = self._next_words(wait=True)
        if words[:1] != [b"pid"]:
            self.close()
            why = b" ".join(words[1:]).decode() or f"exit code {self._supervisor.returncode}"
            raise OSError(f"{spec.command[0]}: its supervisor could not start it: {why}")
        self.pid = int(words[1])

    def start(self) -> None:
        """Let the process run the command."""
        self._tell("start")

    def terminate(self) -> None:
        """Ask the process and its group to end, by SIGTERM."""
        self._tell("terminate")

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        self._tell("kill")

    def order(self, line: str) -> None:
        """Write a line to its standard input; it may be gone already."""
        if self.orders is not None:
            with suppress(OSError):
                self.orders.sendall(f"{line}\n".encode())

    def no_more_orders(self) -> None:
        """Close its standard input."""
        if self.orders is not None:
            self.orders.close()
            self.orders = None

    def poll(self) -> ExitStatus | None:
        """Return how it ended, or None while it runs; never waits."""
        words = self._next_words(wait=False)
        if words[:1] == [b"ended"]:
            return ExitStatus.of(int(words[1]), left=int(words[2]))
        if words == [b""]:
            self.lost_supervisor = True
            return ExitStatus.of(self._supervisor.wait())
        return None

    def close(self) -> None:
        """Let its cgroups be removed, and wait for that; give the descriptors back."""
        self.no_more_orders()
        self.control.close()
        self._supervisor.wait()

    def _tell(self, order: str) -> None:
        with suppress(OSError):
            self.control.sendall(f"{order}\n".encode())

    def _next_words(self, *, wait: bool) -> list[bytes]:
        """Return the words of the next line: none where there is none yet, ``b""`` at the end."""
        while b"\n" not in self._said:
            try:
                received = self.control.recv(256, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return []
            except OSError:
                received = b""
            if not received:
                return [b""]
            self._said += received
        line, _, self._said = self._said.partition(b"\n")
        return line.split()
