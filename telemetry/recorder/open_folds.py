"""Which fold a checkpoint or a sample belongs to, where folds run one after another, in threads, or in tasks."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTED_IN = "_foldwatch_fold"
"""In the __dict__ of a thread, the fold of what started it."""


class OpenFold(NamedTuple):
    """A fold whose ``with`` block is entered and not left yet; the texts are as the training gave them."""

    number: str
    of: str


class OpenFolds:
    """The folds that are open in this process.

    A thread or an asyncio task is in the fold that it entered itself, or in which the task was made, and in none
    once it has left it. What never entered one is in the one fold that is open; where several are, a thread is in
    the one that it was started in, if that is open still, and the recorder's timer is in none.
    """

    def __init__(self) -> None:
        self._open: list[OpenFold] = []

    @property
    def present(self) -> OpenFold | None:
        """The fold of what runs now."""
        try:
            return _own.get()
        except LookupError:
            if not self.are_several:
                return self.only
            fold = _started_in()
            return fold if fold in self._open else None

    @property
    def only(self) -> OpenFold | None:
        """The one fold that is open in the process; None without one, and where several are."""
        folds = tuple(self._open)
        return folds[-1] if folds and all(fold == folds[-1] for fold in folds) else None

    @property
    def are_several(self) -> bool:
        """Whether folds of different numbers are open at once."""
        return bool(self._open) and self.only is None

    @contextmanager
    def entered(self, fold: OpenFold) -> Iterator[None]:
        """Have ``fold`` open in the block; folds inside folds are the innermost's."""
        before = _own.get(None)
        _own.set(fold)
        if self._open or threading.current_thread() is not threading.main_thread():
            _note_thread_starts()
        self._open.append(fold)
        try:
            yield
        finally:
            self._open.remove(fold)
            _own.set(before)  # not by its token, which another context refuses


_own: ContextVar[OpenFold | None] = ContextVar("foldwatch_fold")
"""The fold that was entered last where this runs; None once it was left."""
_notes_starts = False


def _started_in() -> OpenFold | None:
    return threading.current_thread().__dict__.get(_STARTED_IN)


def _note_thread_starts() -> None:
    """Let every thread know the fold of what starts it, which Python's threads do not tell.

    Only where folds run in threads: else a thread that cannot be started would have a line of this file in its traceback.
    """
    global _notes_starts  # noqa: PLW0603
    if _notes_starts:
        return
    _notes_starts = True
    start = threading.Thread.start

    @wraps(start)
    def noting(thread: threading.Thread) -> None:
        thread.__dict__[_STARTED_IN] = _own.get(_started_in())
        start(thread)

    threading.Thread.start = noting  # type: ignore[assignment, method-assign]
