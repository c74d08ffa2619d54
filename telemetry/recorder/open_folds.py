"""Which fold a checkpoint or a sample belongs to, where folds run one after another, in threads, or in tasks."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple

from telemetry.recorder.block_or_decorator import (
    CO_ASYNC_GENERATOR,
    CO_GENERATOR,
    BlockOrDecorator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

_STARTED_IN = "_foldwatch_fold"
"""In the __dict__ of a thread, the fold of what started it; None of one that is of a pool or of none."""
_POOLS = ("concurrent.futures.thread", "multiprocessing.pool")


class OpenFold(NamedTuple):
    """A fold whose ``with`` block is entered and not left yet; the texts are as the training gave them."""

    number: str
    of: str


class _Entry:
    """A fold that was entered: in which generator's body, and whether it is left, by which context or thread ever."""

    __slots__ = ("fold", "generator", "is_left")

    def __init__(self, fold: OpenFold, generator: int | None) -> None:
        self.fold, self.generator, self.is_left = fold, generator, False


class OpenFolds:
    """The folds that are open in this process.

    A thread or an asyncio task is in the fold that it entered itself, or in which the task was made, and in none
    once it has left it. A thread that never entered one is in the fold that it was started in, and in none once that
    is closed. What was started outside of folds, and a thread of a pool, is in the one that is open, and in none where
    several are; so is the recorder's timer.
    """

    def __init__(self) -> None:
        self._open: list[_Entry] = []
        self._had_any = False

    @property
    def present(self) -> OpenFold | None:
        """The fold of what runs now."""
        if _entered.get(None) is not None:
            return _innermost(_still_entered())
        folds = self._still_open()
        if not folds:
            return None
        fold = _started_in()
        if fold is not None:
            return fold if fold in folds else None
        return self.only

    @property
    def only(self) -> OpenFold | None:
        """The one fold that is open in the process; None without one, and where several are."""
        folds = self._still_open()
        return folds[-1] if folds and all(fold == folds[-1] for fold in folds) else None

    @property
    def are_several(self) -> bool:
        """Whether folds of different numbers are open at once."""
        folds = self._still_open()
        return any(fold != folds[-1] for fold in folds)

    @property
    def is_past(self) -> bool:
        """Whether what runs now was started in a fold that is closed by now, and entered none."""
        if not self._had_any:
            return False
        entered = _entered.get(None)
        if entered is not None:  # what left its own fold has forgotten it
            return bool(entered) and not _still_entered()
        fold = _started_in()
        return fold is not None and fold not in self._still_open()

    def enter(self, entry: _Entry) -> None:
        """Open a fold where this runs."""
        _mark_started_threads(self._open[-1].fold if self._open else None)
        if self._open or threading.current_thread() is not threading.main_thread():
            _note_thread_starts()
        self._had_any = True
        self._open.append(entry)
        _entered.set((*_still_entered(), entry))

    def leave(self, entry: _Entry) -> None:
        """Close a fold; what runs here is in the last one then that it entered and that is open still."""
        entry.is_left = True  # first: a signal handler of the training may raise in what follows
        _take_out(entry, self._open)
        _entered.set(_still_entered())
        _mark_started_threads(entry.fold)

    def _still_open(self) -> list[OpenFold]:
        return [entry.fold for entry in tuple(self._open) if not entry.is_left]


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
        self._entries: list[_Entry] = []
        self._only: _Entry | None = None
        """What was entered, unless that was several times at once."""

    def _recreate_cm(self) -> FoldBlock:
        """Of contextlib: what a decorated function enters, which may run in several threads."""
        return FoldBlock(self._folds, self._fold, self._note_end)

    def __enter__(self) -> None:
        entry = _Entry(self._fold, _generator_of(_frame_of_caller()))
        self._only = None if self._entries else entry
        try:
            self._entries.append(entry)
            self._folds.enter(entry)
        except BaseException:  # a signal handler of the training raised: nothing will leave it
            self._leave(entry)
            raise

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        entry = self._only
        if entry is not None:
            # Before anything is called: a signal handler of the training may raise in each call, and nothing leaves it then.
            entry.is_left = True
        try:
            self._leave(entry or self._last_entered())
        finally:
            self._note_end(error)

    def _last_entered(self) -> _Entry | None:
        """Return what was entered here last; a generator may be gone on with, and left, in another context."""
        own = [entry for entry in _still_entered() if entry in self._entries]
        entered = own or self._entries
        return entered[-1] if entered else None

    def _leave(self, entry: _Entry | None) -> None:
        if entry is not None:  # it was left before
            self._folds.leave(entry)
            _take_out(entry, self._entries)


_entered: ContextVar[tuple[_Entry, ...]] = ContextVar("foldwatch_folds")
"""The folds that were entered where this runs, the innermost last; unset where none ever was."""
_notes_starts = False


def _take_out(entry: _Entry, entries: list[_Entry]) -> None:
    """In one step, since other threads enter and leave folds as well."""
    with suppress(ValueError):  # it was never in
        entries.remove(entry)


def _still_entered() -> tuple[_Entry, ...]:
    """Return the folds that were entered where this runs and that nobody has left."""
    entered = _entered.get(())
    if not entered or (len(entered) == 1 and not entered[0].is_left):  # as nearly always
        return entered
    return tuple(entry for entry in entered if not entry.is_left)


def _innermost(entered: Sequence[_Entry]) -> OpenFold | None:
    """Return the fold of what runs now, of those that are entered here.

    Generators that take turns have entered theirs in any order, and a fold is that of the body that runs; beside the
    bodies it is the one that all of them have entered, if there is one.
    """
    if len(entered) < 2 or all(entry.generator is None for entry in entered):
        return entered[-1].fold if entered else None
    running = _running_frames()
    held = [entry for entry in entered if entry.generator not in {None, *running}]
    inside = [entry for entry in entered if entry.generator in running]
    if inside:
        return [entry for entry in entered if entry not in held][-1].fold
    if all(entry.fold == held[-1].fold for entry in held):
        return entered[-1].fold
    return None


def _frame_of_caller() -> FrameType | None:
    return sys._getframe(1).f_back  # noqa: SLF001 - there is no other name


def _running_frames() -> set[int]:
    found, frame = set[int](), _frame_of_caller()
    while frame is not None:
        found.add(id(frame))
        frame = frame.f_back
    return found


def _generator_of(frame: FrameType | None) -> int | None:
    """Return the `id` of the frame that enters a fold, if it is that of a generator.

    Not of one that makes a ``with`` block by contextlib: that one enters it for the block's body.
    """
    while frame is not None and frame.f_globals.get("__name__") == "contextlib":  # an ExitStack
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
        return None
    caller = frame.f_back
    is_block = caller is not None and caller.f_globals.get("__name__") == "contextlib"
    return None if is_block else id(frame)


def _fold_of_a_start() -> OpenFold | None:
    """Return the fold of what starts a thread here."""
    if _entered.get(None) is None:
        return _started_in()
    return _innermost(_still_entered())


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
