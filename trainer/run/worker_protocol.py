"""The lines between an agent and a process that trains fold after fold, on the latter's standard input.

    agent to worker    ``4 TOKEN`` train fold 4, under the lease with this token; end of file: no more folds
    worker to agent    ``ready`` loaded, and waiting; ``done 4`` fold 4's result is written, as `result_name`

The agent believes ``done 4`` only if the result is there and whole. What is written under a lease has its token in its
name: a process whose agent was stopped and lost its lease writes over nobody's files.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_DONE = re.compile(rb"done (\d{1,6})")
_LINE_BYTES = 64


def result_name(token: str) -> str:
    """Return the name of the file in which a worker leaves the result of a fold."""
    return f"result.{token}.json"


def metrics_name(token: str) -> str:
    """Return the name of the file in which a command may leave an object of numbers."""
    return f"metrics.{token}.json"


class WorkerChannel:
    """The worker's end.

    Invariant: from then on the process's standard input is empty, for whatever it trains to read.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=os.dup(0))
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)

    def folds(self) -> Iterator[tuple[int, str]]:
        """Report that it is ready, and yield each fold that the agent requests, with the token of its lease."""
        self._send("ready")
        with self._socket.makefile("r", encoding="ascii") as lines:
            for line in lines:
                fold, token = line.split()
                yield int(fold), token
                self._send(f"done {fold}")

    def _send(self, line: str) -> None:
        with suppress(OSError):  # the agent is gone, and the kernel's SIGKILL on its way
            self._socket.sendall(f"{line}\n".encode())


class DoneLines:
    """The agent's end: collects the folds that the worker reports as done."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, requests: socket.socket) -> tuple[set[int], bool]:
        """Return the folds done since the last call, and whether the worker's end is open; never waits."""
        try:
            received = requests.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return set(), True
        except OSError:
            return set(), False
        *lines, rest = (self._rest + received).split(b"\n")
        self._rest = rest[-_LINE_BYTES:]
        found = [_DONE.fullmatch(line) for line in lines]
        return {int(match[1]) for match in found if match}, bool(received)
