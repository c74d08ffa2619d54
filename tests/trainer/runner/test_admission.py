"""A fold that would not fit beside what is there: it waits, and is refused where that does not help."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

RUN = """
import sys, threading
from trainer.run.config import CommandConfig
from trainer.run.directory import RunDirectory
from trainer.run.resume_plan import plan
from trainer.runner.command_job import command_job
from trainer.runner.fold_runner import FoldRunner
from trainer.runner.observer import RunObserver

fold = '''import threading, time
for _ in range(40): threading.Thread(target=time.sleep, args=(1.4,)).start()'''
config = CommandConfig(folds=3, command=(sys.executable, "-c", fold))
directory = RunDirectory({place!r})
directory.create()
gone = threading.Event()

class Occupant(RunObserver):
    def on_message(self, text):
        print(text)

    def on_fold_end(self, outcome):
        if outcome.fold == 1:
            for _ in range(30):
                threading.Thread(target=gone.wait, args=({seconds},), daemon=True).start()

runner = FoldRunner(
    directory, config, plan(directory, config, only=None, resume_mode="fresh"),
    job=command_job(config), observer=Occupant(), admission_seconds=1.5,
)
runner.run()
"""


@pytest.mark.parametrize(("seconds", "finished"), [(0.8, [1, 2, 3]), (60, [1])])
def test_a_fold_waits_for_headroom_and_is_refused_with_the_numbers(
    tmp_path: Path, pids_cgroup: RealCgroup, seconds: float, finished: list[int]
) -> None:
    """The cgroup holds 70: the fold's 41 do not fit beside the runner and 30 threads of another."""
    pids_cgroup.limit(70)
    place = tmp_path / "run"
    outcome = pids_cgroup.run(RUN.format(place=str(place), seconds=seconds))
    assert outcome.code == 0, outcome.err
    assert "fold 2: waiting for headroom; pids_cgroup: forecast peak 41, headroom 3" in outcome.out
    summary = json.loads((place / "summary.json").read_text())
    assert summary["folds_finished"] == finished
    if finished == [1]:
        failure = json.loads((place / "fold-2" / "failure.json").read_text())
        assert failure["outcome"] == "refused"
        assert failure["reason"].startswith(
            "rejected: insufficient headroom; pids_cgroup: forecast peak 41, headroom 3"
        )
