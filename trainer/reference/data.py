"""The data of the reference run: scikit-learn's bundled digits, as three modalities.

1,797 real handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, the UCI test set). The image
is the pixels; the edges are the ink's gradient, a second image; the table is the ink per row, column
and quadrant. Needs no TensorFlow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

CLASSES = 10
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Digits:
    """All samples: ``images`` (n, 8, 8, 1), ``edges`` (n, 8, 8, 2), ``tables`` (n, 20), ``labels`` (n,)."""

    images: Floats
    edges: Floats
    tables: Floats
    labels: Integers


def load() -> Digits:
    """Load the digits, inputs in -1..1; nothing is downloaded."""
    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)
    edges = np.stack(np.gradient(images, axis=(1, 2)), axis=-1)
    quadrants = images.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)
    tables = np.concatenate([images.mean(axis=1), images.mean(axis=2), quadrants], axis=1)
    return Digits(
        images[..., np.newaxis],
        edges.astype(np.float32),
        tables.astype(np.float32),
        bunch.target.astype(np.int64),
    )


def data_digest() -> str:
    """Return a hash of every number that is trained on."""
    digits = load()
    content = hashlib.sha256()
    for part in (digits.images, digits.edges, digits.tables, digits.labels):
        content.update(np.ascontiguousarray(part).tobytes())
    return content.hexdigest()
