"""Of very many labels the first are kept; what comes under further ones is judged as one label of each fold.

A label with its limits takes some 0.7 kB, so that all inputs together have a budget of them, and each its share by size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.thread_line import Label

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_LABELS = 80_000
"""Of one input."""
MOST_OF_ALL = 240_000
"""Of all inputs together, but for the FEWEST_LABELS of each."""
FEWEST_LABELS = 24
FURTHER = "(further labels)"


def label_shares(sizes: Sequence[int]) -> list[int]:
    """Return how many labels each of several inputs may have; a size of 0 is unknown, as that of a pipe is."""
    whole = sum(sizes)
    return [
        min(MOST_LABELS, max(FEWEST_LABELS, MOST_OF_ALL * size // whole)) if size else MOST_LABELS
        for size in sizes
    ]


class LabelBudget:
    """How many labels the tables of one input may have together; each may have the FEWEST_LABELS all the same."""

    def __init__(self, labels: int | None = None) -> None:
        self._left = MOST_LABELS if labels is None else labels

    def has_room(self, known: int) -> bool:
        """Whether a table that knows so many may have another."""
        return known < FEWEST_LABELS or self._left > 0

    def take(self) -> None:
        """Note that a table has another."""
        self._left -= 1


def merged_label(label: Label) -> Label:
    """Return the label that stands for all further ones of the same fold."""
    text = f"Fold {label.fold}/{label.folds} {FURTHER}" if label.names_fold else FURTHER
    return Label(text, label.fold, label.folds, FURTHER)
