"""Launches a fold's process on this machine, below a supervisor of its own.

`ProcessSpec` describes the process, `SupervisedProcess` is the running one. A launcher for a cluster would have
the same few methods.
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


class SupervisedProcess:
    """A process that exists, and waits until `start`.

    Invariant: once `poll` has returned a status, neither it nor any process that it started lives,
    except for those that ``survivors`` counts.
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
            with theirs, open(spec.output_path, "ab") as output:
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
        message = self._next_message(wait=True)
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

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        self._send("kill")

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
        message = self._next_message(wait=False)
        if message[:1] == [b"ended"]:
            return ExitStatus.of(int(message[1]), survivors=int(message[2]))
        if message == [b""]:
            self.lost_supervisor = True
            return ExitStatus.of(self._supervisor.wait())
        return None

    def close(self) -> None:
        """Wait until its cgroups are removed; close the descriptors."""
        self.close_requests()
        self.control.close()
        self._supervisor.wait()

    def _send(self, command: str) -> None:
        with suppress(OSError):
            self.control.sendall(f"{command}\n".encode())

    def _next_message(self, *, wait: bool) -> list[bytes]:
        """Return the words of the next line: none if there is none yet, ``b""`` at the end."""
        while b"\n" not in self._received:
            try:
                received = self.control.recv(256, 0 if wait else socket.MSG_DONTWAIT)
            except BlockingIOError:
                return []
            except OSError:
                received = b""
            if not received:
                return [b""]
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line.split()
