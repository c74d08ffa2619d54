"""The data of the reference run: scikit-learn's bundled digits, as two modalities.

1,797 real handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, the UCI test set). The image
modality is the pixels; the tabular modality is the ink per row, column and quadrant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

CLASSES = 10
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Digits:
    """All samples: ``images`` (n, 8, 8, 1) and ``tables`` (n, 20) in 0..1, ``labels`` (n,) 0..9."""

    images: Floats
    tables: Floats
    labels: Integers


def load() -> Digits:
    """Load the digits; nothing is downloaded."""
    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)
    quadrants = images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)
    tables = np.concatenate([images.mean(axis=1), images.mean(axis=2), quadrants], axis=1)
    return Digits(images[..., np.newaxis], tables.astype(np.float32), bunch.target.astype(np.int64))


def split(labels: Integers, *, fold: int, folds: int, seed: int) -> tuple[Integers, Integers]:
    """Return the training and the test indices of ``fold`` (from 1), stratified by label."""
    splits = StratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    train, test = list(splits.split(np.zeros(len(labels)), labels))[fold - 1]
    return train.astype(np.int64), test.astype(np.int64)
