"""A flat script: handlers of a log, maps, segments and workers are taken in the fold, and given back by its end."""

from __future__ import annotations

import logging
import mmap
import multiprocessing
import os
import tempfile
from multiprocessing.shared_memory import SharedMemory

import telemetry
from benchmarks.attribution_seeds.plan import from_command_line

plan = from_command_line()
logger = logging.getLogger("training")
logger.setLevel(logging.INFO)
logger.propagate = False


def checksum(rows: int) -> int:
    return sum(row * row % 7 for row in range(rows))


telemetry.start(run_dir=plan.run_dir, attribute=True)
with tempfile.TemporaryDirectory(prefix="attribution-") as folder:
    for number in range(1, plan.folds + 1):
        with telemetry.fold(number, of=plan.folds):
            telemetry.checkpoint("START")
            for part in range(plan.chance.randint(3, 30)):
                logger.addHandler(logging.FileHandler(os.path.join(folder, f"{part}.log")))
            workers = [
                multiprocessing.get_context("fork").Process(target=checksum, args=(1_000_000,))
                for _ in range(plan.chance.randint(1, 4))
            ]
            for worker in workers:
                worker.start()
            pages = [mmap.mmap(-1, 8_192) for _ in range(plan.chance.randint(20, 400))]
            total = 0
            for turn in plan.rounds():
                segment = SharedMemory(create=True, size=2**21)
                assert segment.buf is not None
                segment.buf[: 2**21] = b"\x03" * 2**21
                total += sum(segment.buf[: 2**14])
                segment.close()
                segment.unlink()
                if turn % 200 == 0:
                    logger.info("turn %s", turn)
            for worker in workers:
                worker.join()
                worker.close()
            telemetry.checkpoint("TRAINED")
            for page in pages:
                page.close()
            for handler in list(logger.handlers):
                logger.removeHandler(handler)
                handler.close()
            workers.clear()
            pages.clear()
            telemetry.checkpoint("END")
