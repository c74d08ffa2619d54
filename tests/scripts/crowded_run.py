"""A run whose cgroup is crowded after its first fold: ``crowded_run.py CGROUP RUN_DIR goes|stays``.

Joins CGROUP. As soon as fold 1 has ended, 30 threads of somebody else are there. They go when a fold
waits for room, or stay. Prints each message of the run as a JSON string.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

from trainer.run.config import CommandConfig
from trainer.run.directory import RunDirectory
from trainer.run.resume_plan import plan
from trainer.runner.command_job import command_job
from trainer.runner.fold_runner import FoldRunner
from trainer.runner.observer import RunObserver

if TYPE_CHECKING:
    from trainer.agent.fold_failure import FoldFailure
    from trainer.run.fold_result import FoldResult

OTHERS = 30
REFUSED_AFTER_SECONDS = 1.5
PATIENT_SECONDS = 60.0
FOLD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forty_threads.py")


class Crowd(RunObserver):
    """The other threads of the cgroup."""

    def __init__(self, *, stays: bool) -> None:
        self._stays = stays
        self._gone = threading.Event()

    def on_message(self, text: str, /) -> None:
        print(json.dumps(text), flush=True)
        if not self._stays:
            self._gone.set()

    def on_fold_end(self, outcome: FoldResult | FoldFailure, /) -> None:
        if outcome.fold == 1:
            for _ in range(OTHERS):
                threading.Thread(target=self._gone.wait, daemon=True).start()


def main(cgroup: str, run_dir: str, others: str) -> None:
    """Run three folds of 41 threads each."""
    with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write("0")
    config = CommandConfig(folds=3, command=(sys.executable, FOLD))
    directory = RunDirectory(run_dir)
    directory.create()
    stays = others == "stays"
    FoldRunner(
        directory,
        config,
        plan(directory, config, only=None, resume_mode="fresh"),
        job=command_job(config),
        observer=Crowd(stays=stays),
        admission_seconds=REFUSED_AFTER_SECONDS if stays else PATIENT_SECONDS,
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
