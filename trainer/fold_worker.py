"""The process that trains: ``python -m trainer.fold_worker RUN_DIR FOLD [FOLD ...]``.

Owns the order that cannot change: caps, telemetry, TensorFlow, folds. It is the only module that
loads TensorFlow, and the runner learns of it only by its exit status and the result files.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import telemetry
from trainer.environment import cap_threads
from trainer.fold_result import FoldResult
from trainer.folds import RunDirectory
from trainer.training import Training

PR_SET_PDEATHSIG = 1
"""include/uapi/linux/prctl.h"""


def main(arguments: list[str]) -> int:
    """Train the folds named; a fold's exception ends the process with its traceback, exit code 1."""
    _die_with_parent()
    directory = RunDirectory(arguments[0])
    config = directory.config()
    if "caps" not in config.without:
        cap_threads(os.environ)
    telemetry.start()
    training = Training(config)
    for fold in map(int, arguments[1:]):
        began = time.monotonic()
        metrics = training.train(fold, directory.fold(fold))
        FoldResult(
            fold=fold,
            folds=config.folds,
            config_digest=config.digest(),
            metrics=metrics,
            seconds=time.monotonic() - began,
        ).write(directory.fold(fold))
    return 0


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the runner dies, so that none of its work goes on unseen."""
    runner = os.environ.get("FOLDWATCH_RUNNER_PID")
    if runner is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(runner):
        os.kill(os.getpid(), signal.SIGKILL)  # it died before the kernel was asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
