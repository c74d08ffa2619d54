"""Four real ranks in step below each launcher, one of which leaks memory maps: what is told of them after every label.

Below torchrun (of the Python that TORCHRUN names, or of this one if it has torch), srun in a real Slurm of two nodes (Debian's
slurm-wlm and munge, as root), mpirun (openmpi-bin), and multiprocessing. They wait at the end of each fold until the
daemon has judged it. From the third fold on the rank that leaks has to grow, and it alone; of healthy ranks none does.

    python -m benchmarks.launched_ranks          # 5 runs with a leak, and 1 without, by each launcher that is there
    python -m benchmarks.launched_ranks 20 5
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.pipeline import analyze
from benchmarks.attach_cost import ROOT
from telemetry.daemon.daemon import Daemon
from tests.scripts.rank_in_lockstep import RANKS
from tests.support.slurm import is_installed, slurm
from tests.support.waiting import wait_until
from trainer.runner.growth_so_far import judge_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.snapshot import Snapshot

FOLDS = 6
JUDGED_FROM = 3
"""The first fold after which it has to be told: of two no growth can be known."""
SCRIPT = os.path.join(ROOT, "tests", "scripts", "rank_in_lockstep.py")


@dataclass
class Outcome:
    """What came of the runs by one launcher."""

    launcher: str
    runs: int = 0
    labels_judged: int = 0
    right: int = 0
    """Labels after which the rank that leaks was called growing, and no other."""
    false_alarms: int = 0
    """Labels after which a rank was called growing that does not."""
    late: int = 0
    """Labels from JUDGED_FROM on after which the rank that leaks was not."""
    analyzed_right: int = 0
    """Runs whose verdict afterwards names the right rank, or none where none leaks."""
    latest_seconds: float = 0.0
    """From the last rank's label to the verdict that knows it, at worst."""
    wrong: list[str] = field(default_factory=list)


def launchers() -> Iterator[tuple[str, list[str]]]:
    """Give the launchers that are there, and what starts four ranks of a program."""
    python = os.environ.get("TORCHRUN", sys.executable)
    has_torch = "TORCHRUN" in os.environ or find_spec("torch") is not None
    if has_torch:
        yield (
            "torchrun",
            [python, "-m", "torch.distributed.run", f"--nproc-per-node={RANKS}", "--standalone"],
        )
    if is_installed():
        yield "srun", ["srun", f"--ntasks={RANKS}", "--nodes=2", "--mem=500", sys.executable]
    if shutil.which("mpirun"):
        options = ["--allow-run-as-root", "--oversubscribe", "-np", str(RANKS)]
        yield "mpirun", ["mpirun", *options, sys.executable]
    yield "multiprocessing", [sys.executable]


def run(command: list[str], environment: Mapping[str, str], leaking: int, outcome: Outcome) -> None:
    """Run four ranks, judge them after each label, and once more at their end."""
    with tempfile.TemporaryDirectory() as place:
        top, meeting = Path(place, "run"), Path(place, "meeting")
        meeting.mkdir()
        known = {**environment, "PYTHONPATH": ROOT, "FOLDWATCH_QUIET": "1"}
        asked = [*command, SCRIPT, str(top), str(meeting), str(FOLDS), str(leaking)]
        with subprocess.Popen(
            asked, env=known, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as ranks:
            daemon = Daemon(str(top), judge=judge_run)
            for fold in range(1, FOLDS + 1):
                names = [meeting / f"{fold}-{rank}" for rank in range(RANKS)]

                def have_met(names: list[Path] = names) -> bool:
                    return ranks.poll() is not None or all(name.exists() for name in names)

                wait_until(have_met, 120, "the ranks")
                if ranks.poll() is not None:
                    assert ranks.stderr is not None
                    raise SystemExit(f"{outcome.launcher}: {ranks.stderr.read()}")
                judge(daemon, fold, leaking, outcome)
                (meeting / f"go-{fold}").touch()
            ranks.communicate(timeout=60)
        told = {
            finding.process.rank
            for finding in analyze([str(top)]).findings
            if finding.growth["maps"].verdict.is_alarming
        }
        outcome.analyzed_right += told == ({str(leaking)} if leaking >= 0 else set())
        outcome.runs += 1


def judge(daemon: Daemon, fold: int, leaking: int, outcome: Outcome) -> None:
    """Wait for a verdict on each rank that knows the end of a fold, and count what it is."""
    began = time.monotonic()

    def is_judged() -> bool:
        daemon.collect()
        known = [one for one in daemon.snapshots if f"{fold}/{FOLDS}" in one.judged_until]
        return len([one for one in known if "END" in one.judged_until]) == RANKS

    wait_until(is_judged, 60, lambda: str([one.judged_until for one in daemon.snapshots]))
    outcome.latest_seconds = max(outcome.latest_seconds, time.monotonic() - began)
    growing = {one.rank for one in daemon.snapshots if grows(one)}
    expected = {str(leaking)} if leaking >= 0 else set()
    outcome.labels_judged += 1
    outcome.false_alarms += bool(growing - expected)
    is_due = fold >= JUDGED_FROM
    outcome.late += is_due and not expected <= growing
    outcome.right += is_due and growing == expected
    if (growing - expected) or (is_due and growing != expected):
        outcome.wrong.append(f"fold {fold}: {sorted(growing)}")


def grows(snapshot: Snapshot) -> bool:
    """Whether a rank's maps are said to grow."""
    return any(one.is_alarming and one.resource == "maps" for one in snapshot.growth)


def main(leaking_runs: int = 5, healthy_runs: int = 1) -> None:
    """Print one JSON object for each launcher."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        for name, command in launchers():
            environment: Mapping[str, str] = os.environ
            if name == "srun":
                environment = running.enter_context(slurm(Path(place)))
            outcome = Outcome(name)
            for number in range(leaking_runs):
                run(command, environment, number % RANKS, outcome)
            for _ in range(healthy_runs):
                run(command, environment, -1, outcome)
            print(json.dumps(vars(outcome)), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
