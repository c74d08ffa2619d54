"""load_solver() loads one OpenBLAS more, whose pool of threads stays; train_epoch() keeps NumPy's own pool busy."""

from __future__ import annotations

import atexit
import ctypes
import glob
import os
import shutil
import tempfile
from functools import partial

import numpy as np

import telemetry
from benchmarks.attribution_seeds.plan import Plan, from_command_line

BUNDLED = os.path.join(os.path.dirname(np.__file__), "..", "numpy.libs", "libscipy_openblas64_*")
FOLDER = tempfile.mkdtemp(prefix="attribution-")


def load_solver(number: int, threads: int) -> ctypes.CDLL:
    """As each package does that bundles an OpenBLAS of its own."""
    (bundled,) = glob.glob(BUNDLED)
    path = os.path.join(FOLDER, f"libscipy_openblas64_{number}.so")
    shutil.copy(bundled, path)
    library = ctypes.CDLL(path)
    library.scipy_openblas_set_num_threads64_(threads)
    return library


def train_epoch(plan: Plan) -> float:
    weights = np.random.default_rng(0).random((700, 700))
    loss = 0.0
    for _ in plan.rounds():
        gradient = weights @ weights.T
        weights = gradient / np.linalg.norm(gradient)
        loss = float(weights.sum())
    return loss


def evaluate() -> float:
    values = np.random.default_rng(1).random(2_000_000)
    return float(np.sort(values)[:100].sum())


def main() -> None:
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
    plan = from_command_line()
    telemetry.start(run_dir=plan.run_dir, attribute=True)
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for stage in plan.in_order(
                partial(load_solver, number, 1 + plan.amount(4)), partial(train_epoch, plan)
            ):
                stage()
            telemetry.checkpoint("TRAINED")
            evaluate()
            telemetry.checkpoint("END")


if __name__ == "__main__":
    main()
