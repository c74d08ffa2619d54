"""Which fold a checkpoint or a sample belongs to, where folds run one after another, in threads, or in tasks."""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_STARTED_IN = "_foldwatch_fold"
"""In the __dict__ of a thread, the fold of what started it; None of one that is of a pool."""
_POOLS = ("concurrent.futures.thread", "multiprocessing.pool")


class OpenFold(NamedTuple):
    """A fold whose ``with`` block is entered and not left yet; the texts are as the training gave them."""

    number: str
    of: str


class OpenFolds:
    """The folds that are open in this process.

    A thread or an asyncio task is in the fold that it entered itself, or in which the task was made, and in none
    once it has left it. What never entered one is in the one fold that is open; where several are, a thread is in
    the one that it was started in, if that is open still; one of a pool and the recorder's timer are in none.
    """

    def __init__(self) -> None:
        self._open: list[OpenFold] = []

    @property
    def present(self) -> OpenFold | None:
        """The fold of what runs now."""
        entered = _entered.get(None)
        if entered is not None:
            return entered[-1] if entered else None
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

    def enter(self, fold: OpenFold) -> None:
        """Open ``fold`` where this runs."""
        _entered.set((*_entered.get(()), fold))
        if self._open or threading.current_thread() is not threading.main_thread():
            _note_thread_starts()
        self._open.append(fold)

    def leave(self, fold: OpenFold) -> None:
        """Close ``fold``; what runs here is in the last one then that it entered and that is open still."""
        self._open.remove(fold)
        entered = [*_entered.get(())]
        if fold in entered:
            del entered[-1 - entered[::-1].index(fold)]
        # Generators leave theirs in any order.
        _entered.set(tuple(other for other in entered if other in self._open))


class FoldBlock(ContextDecorator):
    """The block of a fold; folds inside folds are the innermost's.

    Not a generator: contextlib sets an attribute of what the block raises, which a frozen dataclass refuses.

    Args:
        folds: Those of the process.
        fold: The one of this block.
        note_end: Called at its end, with the exception that ends it.
    """

    def __init__(
        self, folds: OpenFolds, fold: OpenFold, note_end: Callable[[BaseException | None], None]
    ) -> None:
        self._folds, self._fold, self._note_end = folds, fold, note_end

    def __enter__(self) -> None:
        self._folds.enter(self._fold)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self._note_end(error)
        finally:
            self._folds.leave(self._fold)


_entered: ContextVar[tuple[OpenFold, ...]] = ContextVar("foldwatch_folds")
"""The folds that were entered where this runs and not left, the innermost last; unset where none ever was."""
_notes_starts = False


def _fold_of_a_start() -> OpenFold | None:
    """Return the fold of what starts a thread here."""
    entered = _entered.get(None)
    if entered is None:
        return _started_in()
    return entered[-1] if entered else None


def _started_in() -> OpenFold | None:
    return threading.current_thread().__dict__.get(_STARTED_IN)


def _is_of_pool(thread: threading.Thread) -> bool:
    """Whether a thread does the work of whoever hands it some, not only of what starts it."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) in _POOLS


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
        thread.__dict__[_STARTED_IN] = None if _is_of_pool(thread) else _fold_of_a_start()
        start(thread)

    threading.Thread.start = noting  # type: ignore[assignment, method-assign]
