"""Launches a fold's process on this machine, below a supervisor of its own.

`ProcessSpec` describes the process, `SupervisedProcess` is the running one. A launcher for a cluster would have
the same few methods.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.journal.atomic_write import append_regular
from trainer.process import supervisor
from trainer.process.start import starting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


START_SECONDS = 30.0
"""For the supervisor to start, on a busy machine, before it is given up."""
WAKE_SECONDS = 0.5
"""Between two attempts to wake a supervisor that is waited for: somebody may have stopped it."""
CLOSE_SECONDS = 5.0
"""For the supervisor to remove the cgroups and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A process to launch."""

    command: Sequence[str]
    environment: Mapping[str, str]
    output_path: str
    """The process itself appends both output streams to it; they do not pass through the runner."""
    is_persistent: bool = False
    """Whether its standard input is a socket to the runner; else it is empty."""
    cgroups: Sequence[str] = ()
    """Folders that it joins before it runs; they are removed after its end."""
    keep_open: Sequence[int] = ()
    """Descriptors that the supervisor holds until every process has ended: the run directory's lock."""


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended."""

    exit_code: int
    """As in a shell: 128 + N for signal N."""
    signal: str | None
    survivors: int = 0
    """Number of its processes that could not be killed."""

    @classmethod
    def of(cls, code: int, *, survivors: int = 0) -> ExitStatus:
        """Translate an exit code that is negative for a signal."""
        if code >= 0:
            return cls(code, None, survivors)
        return cls(128 - code, _signal_name(-code), survivors)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal between the two that have names
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def continue_at_hang_up(connection: socket.socket, pid: int) -> None:
    """Let process ``pid``, which has ``connection``, go on when the other end is closed, if somebody stopped it (SIGSTOP).

    The kernel does it (man 2 fcntl, F_SETOWN and F_SETSIG): the process itself may not have begun yet.
    """
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGCONT)
    fcntl.fcntl(connection, fcntl.F_SETOWN, pid)
    flags = fcntl.fcntl(connection, fcntl.F_GETFL)
    fcntl.fcntl(connection, fcntl.F_SETFL, flags | os.O_ASYNC)


class SupervisedProcess:
    """A process that exists, and waits until `start`.

    Invariants: once `poll` has returned a status, neither it nor any process that it started lives,
    except for those that ``survivors`` counts, and it returns that status from then on. No method waits
    for good, whoever stops the supervisor (SIGSTOP).
    """

    def __init__(self, spec: ProcessSpec) -> None:
        """Make the process.

        Raises:
            OSError: It cannot be started.
        """
        self.control, theirs = socket.socketpair()
        self.requests: socket.socket | None = None
        requests_theirs: socket.socket | None = None
        if spec.is_persistent:
            self.requests, requests_theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), "\n".join(spec.cgroups), *spec.command]
        try:
            with theirs, append_regular(spec.output_path) as output, starting():
                self._supervisor = subprocess.Popen(
                    [sys.executable, "-I", "-S", supervisor.__file__, *arguments],
                    env=spec.environment,
                    stdin=subprocess.DEVNULL
                    if requests_theirs is None
                    else requests_theirs.fileno(),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(theirs.fileno(), *spec.keep_open),
                    start_new_session=True,
                )
                continue_at_hang_up(theirs, self._supervisor.pid)
        except BaseException:
            self.close_requests()
            self.control.close()
            raise
        finally:
            if requests_theirs is not None:
                requests_theirs.close()
        self.supervisor_pid = self._supervisor.pid
        self.lost_supervisor = False
        """Whether its supervisor was killed: the process is, too, but not what it has started."""
        self._received = b""
        self._status: ExitStatus | None = None
        message = self._first_message()
        if message[:1] != [b"pid"]:
            self.close()
            reason = b" ".join(message[1:]).decode() or f"exit code {self._supervisor.returncode}"
            raise OSError(f"{spec.command[0]}: its supervisor could not start it: {reason}")
        self.pid = int(message[1])

    def start(self) -> None:
        """Let the process run the command."""
        self._send("start")

    def terminate(self) -> None:
        """Ask the process and its group to end, by SIGTERM."""
        self._send("terminate")
        self.wake()

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        self._send("kill")
        self.wake()

    def wake(self) -> None:
        """Let the supervisor go on if somebody has stopped it; else nothing happens."""
        self._supervisor.send_signal(signal.SIGCONT)

    def kill_supervisor(self) -> None:
        """Give up on a supervisor that does not answer: the kernel kills the process with it."""
        self._supervisor.kill()

    def request(self, line: str) -> None:
        """Write a line to its standard input; it may have ended already."""
        if self.requests is not None:
            with suppress(OSError):
                self.requests.sendall(f"{line}\n".encode())

    def close_requests(self) -> None:
        """Close its standard input."""
        if self.requests is not None:
            self.requests.close()
            self.requests = None

    def poll(self) -> ExitStatus | None:
        """Return how it ended, or None while it runs; never waits."""
        if self._status is None:
            message = self._next_message()
            if message[:1] == [b"ended"]:
                self._status = ExitStatus.of(int(message[1]), survivors=int(message[2]))
            elif message == [b""]:
                self.lost_supervisor = True
                self._status = ExitStatus.of(self._end_of_supervisor())
        return self._status

    def close(self) -> None:
        """Wait until its cgroups are removed; close the descriptors."""
        self.close_requests()
        self._send("noted")
        self.control.close()
        self._end_of_supervisor()

    def _end_of_supervisor(self) -> int:
        """Wait for its end, which is near, and return its exit code."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while True:
            try:
                return self._supervisor.wait(WAKE_SECONDS)
            except subprocess.TimeoutExpired:
                self.wake()
            if time.monotonic() > deadline:
                self._supervisor.kill()
                if time.monotonic() > deadline + CLOSE_SECONDS:  # in an uninterruptible wait
                    return -signal.SIGKILL

    def _send(self, command: str) -> None:
        with suppress(OSError):
            self.control.sendall(f"{command}\n".encode())

    def _first_message(self) -> list[bytes]:
        """Wait for the first line and return its words. Raises OSError if none comes."""
        deadline = time.monotonic() + START_SECONDS
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        while not (message := self._next_message()):
            if time.monotonic() > deadline:
                self._supervisor.kill()
                self.close()
                raise TimeoutError(
                    errno.ETIMEDOUT, f"no word of its supervisor in {START_SECONDS:g} s"
                )
            if not poller.poll(WAKE_SECONDS * 1000):
                self.wake()
        return message

    def _next_message(self) -> list[bytes]:
        """Return the words of the next line: none if there is none yet, ``b""`` at the end."""
        while b"\n" not in self._received:
            try:
                received = self.control.recv(256, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return []
            except OSError:
                received = b""
            if not received:
                return [b""]
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.split()
