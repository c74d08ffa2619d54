"""Of very many labels the first are kept; what comes under further ones is judged as one label of each fold."""

from __future__ import annotations

from telemetry.thread_line import Label

MOST_LABELS = 80_000
FURTHER = "(further labels)"


def merged_label(label: Label) -> Label:
    """Return the label that stands for all further ones of the same fold."""
    text = f"Fold {label.fold}/{label.folds} {FURTHER}" if label.names_fold else FURTHER
    return Label(text, label.fold, label.folds, FURTHER)
