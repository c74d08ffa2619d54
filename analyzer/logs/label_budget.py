"""Of very many labels the first are kept; what comes under further ones is judged as one label of each fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.reading import LimitState
from telemetry.thread_line import Label, parse_label

if TYPE_CHECKING:
    from analyzer.logs.scan_result import LabelContext

MOST_LABELS = 80_000
FURTHER = "(further labels)"


def merged_label(label: Label) -> Label:
    """Return the label that stands for all further ones of the same fold."""
    text = f"Fold {label.fold}/{label.folds} {FURTHER}" if label.names_fold else FURTHER
    return Label(text, label.fold, label.folds, FURTHER)


def merged_context(context: LabelContext, count: int) -> LabelContext:
    """Return what ``context`` becomes after ``count`` others: itself, or the one of all further labels."""
    if count < MOST_LABELS:
        return context
    if count >= 2 * MOST_LABELS:  # so many folds or limits differ
        limit = LimitState.INVISIBLE
        return context._replace(
            text=FURTHER, cgroup_limit=limit, maps_limit=limit, label=None, limits=()
        )
    known = context.label and merged_label(context.label)
    return context._replace(text=merged_label(parse_label(context.text)).text, label=known)
