"""Files that others read instead of asking: a node's textfile collector, and Prometheus's file_sd.

Owns that each is whole at every moment: written aside, then renamed. It must not know what is in it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.listening import at
from telemetry.whole_file import whole_file

if TYPE_CHECKING:
    from telemetry.listening import Listening

logger = logging.getLogger("foldwatch")


def replace_file(path: str, content: bytes) -> None:
    """Put ``content`` at ``path``, whole; after a power loss the next round writes it. Raises OSError."""
    with whole_file(path) as aside, open(aside, "wb") as file:
        file.write(content)


def targets(listening: Listening, *, port: int) -> bytes:
    """Return the file_sd target of this daemon, as other machines reach it."""
    host = listening.address
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - looked for, not bound
        host = socket.gethostname()
    labels = {"__scheme__": listening.scheme, "node": socket.gethostname()}
    content = [{"targets": [at(host, port)], "labels": labels}]
    return f"{json.dumps(content, indent=2)}\n".encode()


class Textfile:
    """The metrics as a file for a node's collector; without a path it is none."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._is_failing = False

    def write(self, content: bytes) -> None:
        """Replace the file; of failures in a row the first one is logged."""
        if self._path is None:
            return
        try:
            replace_file(self._path, content)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                logger.warning("foldwatch: %s: %s", self._path, error.strerror)
            self._is_failing = True

    def remove(self) -> None:
        """Take the file away, so that nobody takes what it says for the present."""
        if self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)
