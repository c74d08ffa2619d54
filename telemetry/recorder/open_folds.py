"""Which fold a checkpoint or a sample belongs to, where folds run one after another, in threads, or in tasks."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

from telemetry.recorder.block_or_decorator import BlockOrDecorator

if TYPE_CHECKING:
    from collections.abc import Callable

_STARTED_IN = "_foldwatch_fold"
"""In the __dict__ of a thread, the fold of what started it; None of one that is of a pool or of none."""
_POOLS = ("concurrent.futures.thread", "multiprocessing.pool")


class OpenFold(NamedTuple):
    """A fold whose ``with`` block is entered and not left yet; the texts are as the training gave them."""

    number: str
    of: str


class OpenFolds:
    """The folds that are open in this process.

    A thread or an asyncio task is in the fold that it entered itself, or in which the task was made, and in none
    once it has left it. A thread that never entered one is in the fold that it was started in, and in none once that
    is closed. What was started outside of folds, and a thread of a pool, is in the one that is open, and in none where
    several are; so is the recorder's timer.
    """

    def __init__(self) -> None:
        self._open: list[OpenFold] = []
        self._had_any = False

    @property
    def present(self) -> OpenFold | None:
        """The fold of what runs now."""
        entered = _entered.get(None)
        if entered is not None:
            return entered[-1] if entered else None
        if not self._open:
            return None
        fold = _started_in()
        if fold is not None:
            return fold if fold in self._open else None
        return self.only

    @property
    def only(self) -> OpenFold | None:
        """The one fold that is open in the process; None without one, and where several are."""
        folds = tuple(self._open)
        return folds[-1] if folds and all(fold == folds[-1] for fold in folds) else None

    @property
    def are_several(self) -> bool:
        """Whether folds of different numbers are open at once."""
        return bool(self._open) and self.only is None

    @property
    def is_past(self) -> bool:
        """Whether what runs now was started in a fold that is closed by now, and entered none."""
        if not self._had_any or _entered.get(None) is not None:
            return False
        fold = _started_in()
        return fold is not None and fold not in self._open

    def enter(self, fold: OpenFold) -> None:
        """Open ``fold`` where this runs."""
        _mark_started_threads(self._open[-1] if self._open else None)
        _entered.set((*_entered.get(()), fold))
        if self._open or threading.current_thread() is not threading.main_thread():
            _note_thread_starts()
        self._had_any = True
        self._open.append(fold)

    def leave(self, fold: OpenFold) -> None:
        """Close ``fold``; what runs here is in the last one then that it entered and that is open still."""
        self._open.remove(fold)
        entered = [*_entered.get(())]
        if fold in entered:
            del entered[-1 - entered[::-1].index(fold)]
        # Generators leave theirs in any order.
        _entered.set(tuple(other for other in entered if other in self._open))
        _mark_started_threads(fold)


class FoldBlock(BlockOrDecorator):
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


def _mark_started_threads(fold: OpenFold | None) -> None:
    """Let the threads that were started since a fold was entered or left know that it was in ``fold``.

    Folds that run one after another need no more; where they overlap, `_note_thread_starts` has told before.
    """
    for thread in threading.enumerate():
        # What Python did not start, such as a framework's own threads, works for whichever fold runs.
        serves_all = isinstance(thread, threading._DummyThread) or _is_of_pool(thread)  # noqa: SLF001 - there is no other name
        thread.__dict__.setdefault(_STARTED_IN, None if serves_all else fold)


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
