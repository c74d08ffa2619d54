"""The lines between the runner and a process that trains fold after fold, on the latter's standard input.

Owns both directions of it:

    runner to worker    ``4`` train fold 4; end of file: there is nothing more to do
    worker to runner    ``ready`` loaded, and waiting; ``done 4`` fold 4's result is written

It must not know what a fold is. That a fold is done is only ever believed with its result.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class WorkerChannel:
    """The worker's end.

    Invariant: from then on the process's standard input is empty, for whatever it trains to read.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=os.dup(0))
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)

    def folds(self) -> Iterator[int]:
        """Say that it is ready, and give the folds to train as they are ordered."""
        self._say("ready")
        with self._socket.makefile("r", encoding="ascii") as lines:
            for line in lines:
                fold = int(line)
                yield fold
                self._say(f"done {fold}")

    def _say(self, words: str) -> None:
        with suppress(OSError):  # the runner is gone, and the kernel's SIGKILL on its way
            self._socket.sendall(f"{words}\n".encode())


class RunnerChannel:
    """The runner's end: what the worker has said since."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self, orders: socket.socket) -> tuple[set[int], bool]:
        """Return the folds that are done, and whether the worker may say more; never waits."""
        try:
            received = orders.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return set(), True
        except OSError:
            return set(), False
        *lines, self._rest = (self._rest + received).split(b"\n")
        done = {int(words[1]) for line in lines if (words := line.split())[:1] == [b"done"]}
        return done, bool(received)
