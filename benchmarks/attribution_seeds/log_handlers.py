"""A flat script: get_logger() adds handlers, with a file each, in every fold; files and sockets of the loop are closed."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import tempfile

import telemetry
from benchmarks.attribution_seeds.plan import from_command_line

plan = from_command_line()
folder = tempfile.mkdtemp(prefix="attribution-")
atexit.register(shutil.rmtree, folder, ignore_errors=True)


def get_logger(number: int) -> logging.Logger:
    logger = logging.getLogger("training")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for part in range(plan.amount(10)):
        logger.addHandler(logging.FileHandler(os.path.join(folder, f"{number}-{part}.log")))
    return logger


telemetry.start(run_dir=plan.run_dir, attribute=True)
for number in range(1, plan.folds + 1):
    with telemetry.fold(number, of=plan.folds):
        telemetry.checkpoint("START")
        total = 0
        values = sorted(plan.chance.random() for _ in range(200_000))
        log = get_logger(number)
        for turn in plan.rounds():
            path = os.path.join(folder, f"records-{turn % 10}")
            files = [open(path, "w+b") for _ in range(12)]  # noqa: SIM115 - closed below
            left, right = socket.socketpair()
            left.send(b"record")
            total += len(right.recv(100))
            files[0].write(plan.chance.randbytes(100_000))
            for each in (left, right, *files):
                each.close()  # type: ignore[attr-defined] # sockets and files
            with open(path, "rb") as records:
                total += len(set(records.read()))
            if turn % 100 == 0:
                log.info("turn %s: %s", turn, total)
        telemetry.checkpoint("TRAINED")
        values = sorted(values, reverse=True)
        log.info("done")
        telemetry.checkpoint("END")
