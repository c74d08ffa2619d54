"""The metrics as a file for a node's textfile collector, whole at every moment."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from telemetry.journal.atomic_write import writing

logger = logging.getLogger("foldwatch")


def replace_file(path: str, content: bytes) -> None:
    """Put ``content`` at ``path``, whole; after a power loss the next round writes it. Raises OSError."""
    with writing(path) as aside, open(aside, "wb") as file:
        file.write(content)


class Textfile:
    """The metrics as a file for a node's collector; without a path nothing is written."""

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
        """Delete the file, so that old values are not taken for the present."""
        if self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)
