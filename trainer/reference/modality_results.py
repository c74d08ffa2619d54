"""Evaluation of each modality on a fold's test samples, and ``modality_results_run_N.csv``."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss

from trainer.reference.data import CLASSES
from trainer.run.durable_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.reference.data import Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityResult:
    """Accuracy and F1 (mean over the classes) in 0..1, loss in nats, over ``samples`` test samples."""

    modality: str
    accuracy: float
    f1: float
    loss: float
    samples: int


def evaluate(modality: str, votes: Floats, labels: Integers) -> ModalityResult:
    """Compare the votes (n, classes) with the labels (n,)."""
    predicted = votes.argmax(axis=1)
    shares = votes / votes.sum(axis=1, keepdims=True)
    return ModalityResult(
        modality=modality,
        accuracy=float(accuracy_score(labels, predicted)),
        f1=float(f1_score(labels, predicted, average="macro")),
        loss=float(log_loss(labels, shares, labels=np.arange(CLASSES))),
        samples=len(labels),
    )


def write_results(path: str, run: int, results: Sequence[ModalityResult]) -> None:
    """Write one row per modality, whole or not at all. Raises OSError."""
    text = io.StringIO()
    columns = ["run", *(part.name for part in fields(ModalityResult))]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({"run": run} | asdict(result) for result in results)
    write_whole(path, text.getvalue())
