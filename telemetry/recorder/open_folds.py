"""Which fold a checkpoint or a sample belongs to, where folds run one after another, in threads, or in tasks."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class OpenFold(NamedTuple):
    """A fold whose ``with`` block is entered and not left yet; the texts are as the training gave them."""

    number: str
    of: str


class OpenFolds:
    """The folds that are open in this process.

    A thread or an asyncio task is in the fold that it entered itself, or in which the task was made, and in none
    once it has left it. What never entered one, as a thread that is started inside a fold and the recorder's
    timer, is in the one fold that is open, and in none where several are.
    """

    def __init__(self) -> None:
        self._own: ContextVar[OpenFold | None] = ContextVar("foldwatch_fold")
        self._open: list[OpenFold] = []

    @property
    def present(self) -> OpenFold | None:
        """The fold of what runs now."""
        return self._own.get(self.only)

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
        before = self._own.get(None)
        self._own.set(fold)
        self._open.append(fold)
        try:
            yield
        finally:
            self._open.remove(fold)
            self._own.set(before)  # not by its token, which another context refuses
