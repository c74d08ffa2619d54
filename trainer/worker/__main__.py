"""The process that trains: ``python -m trainer.worker RUN_DIR``, folds by its standard input.

Owns the order that cannot change: caps, telemetry, TensorFlow, folds. It is the only module that
loads TensorFlow, and the runner learns of it only by its exit status and the result files. Loaded
ahead of its turn it waits for its first order, with no device touched.
"""

from __future__ import annotations

import os
import sys
import time

import telemetry
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import FoldResult
from trainer.run.thread_caps import cap_threads
from trainer.run.worker_protocol import WorkerChannel
from trainer.worker.fold_loop import Training


def main(arguments: list[str]) -> int:
    """Train the folds ordered; a fold's exception ends the process with its traceback, exit code 1."""
    orders = WorkerChannel()
    directory = RunDirectory(arguments[0])
    config = directory.config()
    if "caps" not in config.without:
        cap_threads(os.environ)
    telemetry.start()
    training = Training(config)
    for fold in orders.folds():
        began = time.monotonic()
        metrics = training.train(fold, directory.fold(fold))
        FoldResult(
            fold=fold,
            folds=config.folds,
            config_digest=config.digest(),
            data_digest=training.data_digest,
            metrics=metrics,
            seconds=time.monotonic() - began,
        ).write(directory.fold(fold))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
