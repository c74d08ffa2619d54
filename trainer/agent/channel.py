"""The lines of JSON between an agent and what has started it, on the agent's standard input, a socket.

    starter to agent    the order, then {"give": 3}, {"dismiss": true, "why": ...}, {"end": REASON, "at_once": false},
                        {"refuse": REASON}; end of file: the starter has ended
    agent to starter    {"said": "waits", "why": ...} no room; {"said": "started"} the process runs;
                        {"said": "ended", "fold": 3} how, its files say; {"said": "unwritten", "fold": 3, ...} why not;
                        {"said": "log", "text": ...}

Truth is files: what an agent says here wakes its starter, or could not be written.
"""

from __future__ import annotations

import json
import os
import select
import socket
from contextlib import suppress
from typing import Any

from telemetry.errors import InputError
from telemetry.journal import typed

SAY_SECONDS = 10.0
_RECEIVED = 65536
MOST_BYTES = 2**24
"""Of one line; an argument list that the kernel takes is shorter."""


class JsonLines:
    """One end of a socket on which each line is a JSON object; nothing here waits for good but `first`."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.is_open = True
        self._rest = b""

    def say(self, **content: Any) -> None:
        """Write one line; a peer that is gone, or has stopped reading for good, does not get it."""
        self.say_whole(json.dumps(content, check_circular=False))

    def say_whole(self, line: str) -> None:
        """Write a line that is JSON already."""
        with suppress(OSError):
            self.socket.settimeout(SAY_SECONDS)
            try:
                self.socket.sendall(line.encode() + b"\n")
            finally:
                self.socket.settimeout(None)  # else a read would wait as long, MSG_DONTWAIT or not

    def heard(self) -> list[dict[str, Any]]:
        """Return the lines that came since; a broken one counts as none. Sets ``is_open``."""
        while self.is_open and len(self._rest) < MOST_BYTES:
            try:
                received = self.socket.recv(_RECEIVED, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                received = b""
            self.is_open = bool(received)
            self._rest += received
        *lines, self._rest = self._rest.split(b"\n")
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(typed.load(line))
        return found

    def first(self) -> bytes:
        """Wait for the first line and return it; empty where the peer ends before."""
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        while b"\n" not in self._rest:
            poller.poll()
            received = self.socket.recv(_RECEIVED)
            if not received or len(self._rest) > MOST_BYTES:
                return b""
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> None:
        """Close the socket."""
        self.is_open = False
        self.socket.close()


def starter_on_standard_input() -> JsonLines:
    """Take the socket that standard input is; that is empty from then on. Raises InputError."""
    try:
        connection = socket.socket(fileno=os.dup(0))
        connection.getpeername()
    except OSError as error:
        raise InputError(
            "no order: name a file with one: python -m trainer.agent ORDER.json"
        ) from error
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return JsonLines(connection)
