"""`warn`: one line on standard error that no stream and no file name can turn into harm, and what uses it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from telemetry.file_fault import reason
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


def warn(text: str) -> None:
    """Print one line on standard error. If that is full or closed, the run goes on without it."""
    if (
        sys.stderr is not None
    ):  # None if it was closed at the start; print would take standard output
        with suppress(OSError, ValueError):
            # In one write: print() writes the line end by itself, and another process may come in between.
            print(f"foldwatch: {clean_label(text)}\n", end="", file=sys.stderr, flush=True)


def explained(error: OSError, path: str | None = None) -> str:
    """Return where it went wrong, how, and what to do about it."""
    where = path or error.filename
    return f"{where}: {reason(error)}" if where else reason(error)


class FileErrors:
    """FileErrors on files of one folder that another process may have spoilt: an error costs the attempt alone."""

    def __init__(self, folder: str, *, is_silent: bool = False) -> None:
        """Take the folder; its errors are told, unless that is left to another process (``is_silent``)."""
        self._folder, self._is_silent = folder, is_silent
        self._named: set[str] = set()

    def value(self, attempt: Callable[[], _T], name: str) -> _T | None:
        """Return what ``attempt`` on the file ``name`` gives; None after an error, said once for each file."""
        try:
            return attempt()
        except OSError as error:
            if name not in self._named and not self._is_silent:
                self._named.add(name)
                warn(explained(error, os.path.join(self._folder, name)))
            return None
