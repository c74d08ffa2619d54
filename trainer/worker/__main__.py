"""The process that trains: ``python -m trainer.worker RUN_DIR``, with the folds on its standard input.

The order is fixed: caps, telemetry, TensorFlow, folds. Its agent sees only its exit status and the result
files. If it is started ahead of its turn, it waits for its first fold and touches no device.
"""

from __future__ import annotations

import os
import sys
import time

import telemetry
from telemetry.errors import FoldwatchError
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import FoldResult
from trainer.run.thread_caps import THREAD_CAPS, set_caps
from trainer.run.worker_protocol import WorkerChannel, result_name
from trainer.worker.fold_loop import Training


def main(arguments: list[str]) -> int:
    """Train the requested folds; a fold's exception ends the process with its traceback, exit code 1.

    Raises:
        FoldwatchError: A library was loaded before its thread caps were set.
    """
    channel = WorkerChannel()
    directory = RunDirectory(arguments[0])
    config = directory.config()
    if "caps" not in config.without and (late := set_caps(os.environ)):
        raise FoldwatchError(
            f"thread caps come too late: {', '.join(late)} is loaded already;"
            f" set {', '.join(THREAD_CAPS)} before importing it"
        )
    telemetry.start()
    training = Training(config)
    for fold, token in channel.folds():
        began = time.monotonic()
        metrics = training.train(fold, directory.fold(fold))
        FoldResult(
            fold=fold,
            folds=config.folds,
            config_digest=config.digest(),
            data_digest=training.data_digest,
            metrics=metrics,
            seconds=time.monotonic() - began,
        ).write(directory.fold(fold), name=result_name(token))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
