"""`FoldQueue`: the folds still to run, in order, and how often each was tried."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class FoldQueue:
    """Folds to run; a fold that is tried again comes first."""

    def __init__(self, folds: Iterable[int], *, retries: int) -> None:
        self._folds = deque(folds)
        self._attempts: dict[int, int] = {}
        self.most_attempts = retries + 1

    def __len__(self) -> int:
        """Return the number of folds that are left to run."""
        return len(self._folds)

    @property
    def next(self) -> int:
        """The fold whose turn it is."""
        return self._folds[0]

    def attempts(self, fold: int) -> int:
        """Return how often a fold was started."""
        return self._attempts.get(fold, 0)

    def take(self) -> int:
        """Remove the next fold and count the attempt."""
        fold = self._folds.popleft()
        self._attempts[fold] = self.attempts(fold) + 1
        return fold

    def drop(self, fold: int) -> None:
        """Remove a fold that will not run."""
        self._folds.remove(fold)

    def drop_all(self) -> list[int]:
        """Remove and return every fold that is left."""
        folds = list(self._folds)
        self._folds.clear()
        return folds

    def may_retry(self, fold: int) -> bool:
        """Whether a fold that failed has an attempt left."""
        return self.attempts(fold) < self.most_attempts

    def retry(self, fold: int) -> None:
        """Put a fold back, to run next."""
        self._folds.appendleft(fold)
