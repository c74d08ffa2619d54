"""A rank that takes its folds in step with the others of its run; one of them may leak memory maps in each fold.

Arguments: the run directory, the folder in which ranks and launcher meet, the number of folds, and the rank that leaks
(-1 for none). Where no launcher names a rank, it starts four processes itself, by multiprocessing.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import sys
import time

import telemetry

RANKS = 4
A_FOLD = 730
NAMES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")


def own_rank() -> int | None:
    """Return the rank that the launcher has given; None without one."""
    return next((int(os.environ[name]) for name in NAMES if name in os.environ), None)


def train(rank: int) -> None:
    """Take all folds; at the end of each, wait until somebody has looked at it."""
    directory, meeting, folds, leaking = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    telemetry.start(run_dir=directory, port=None, quiet=True)
    held, launcher = [], os.getppid()
    for fold in range(1, folds + 1):
        with telemetry.fold(fold, of=folds):
            telemetry.checkpoint("START")
            if rank == leaking:
                held += [mmap.mmap(-1, 4096, prot=1 + 2 * (n % 2)) for n in range(A_FOLD)]
            telemetry.checkpoint("END")
        with open(os.path.join(meeting, f"{fold}-{rank}"), "w", encoding="ascii"):
            pass
        while not os.path.exists(os.path.join(meeting, f"go-{fold}")):
            if os.getppid() != launcher:  # it was killed
                return
            time.sleep(0.01)


def start_rank(rank: int) -> None:
    """Be a rank that multiprocessing has started, as torch.multiprocessing's programs are."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(RANKS)}
    train(rank)


if __name__ == "__main__":
    if (given := own_rank()) is not None:
        train(given)
    else:
        context = multiprocessing.get_context("spawn")
        ranks = [context.Process(target=start_rank, args=(rank,)) for rank in range(RANKS)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
