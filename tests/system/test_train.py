"""The whole path with real TensorFlow, and all that it must show: few runs, for each fold costs seconds.

One healthy run of three folds is watched by Prometheus under a limit that it comes near to. Fold 2 of it
is then run again, killed, and resumed. Another run has all folds in one process.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Header
from telemetry.reading import Reading
from tests.support.alert_stack import receiver, stack
from tests.support.cgroups import PIDS_MOUNTS, RealCgroup, make_cgroup, remove_cgroup
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.programs import CommandOutcome, run_foldwatch, run_python
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.run.thread_caps import THREAD_CAPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]

SCALE = 3.0
"""At ten, a warm-up of 40 s on a busy machine was one of seven minutes to the rules: a rise for them to tell of."""
PIDS = 100
"""A fold of the reference run takes 50 to 70 of them here: over half, where forecasts begin."""

STAGES = [
    "before TF import",
    "after TF import",
    "after strategy creation",
    "START",
    "before RF fit (n_jobs=2)",
    "after RF fit (n_jobs=2)",
    "end of prepare_cached_datasets",
    "after prepare_cached_datasets",
    "after model creation",
    "after pretrain fit",
    "after pretrain cleanup",
    "after compile+distribute",
    "after Stage 1 fit",
    "after Stage 2 fit",
    "after all training",
    "before gating network",
    "before gating fit",
    "after gating fit",
    "AFTER CLEANUP",
]


@dataclass(frozen=True)
class Watched:
    """What Prometheus and Alertmanager saw of a run."""

    fullest: float
    """The highest share of a limit that was ever in use."""
    fired: list[dict[str, Any]]
    received: list[tuple[float, dict[str, Any]]]
    """What Alertmanager posted, and when."""


@dataclass(frozen=True)
class HealthyRun:
    """Three folds that trained as they should."""

    folder: str
    options: tuple[str, ...]
    outcome: CommandOutcome
    watched: Watched | None
    """None if this machine has no cgroup or no Prometheus for it."""


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HealthyRun]:
    """Train three folds, once for this file."""
    place = tmp_path_factory.mktemp("healthy")
    port = free_port()
    options = ("train", "--epochs", "3", "--output", str(place / "run"))
    command = ["-m", "foldwatch", *options, "--port", str(port)]
    servers = ("prometheus", "prometheus-alertmanager")
    folder = make_cgroup(PIDS_MOUNTS, "pids.max") if os.geteuid() == 0 else None
    if folder is None or not all(map(shutil.which, servers)):
        yield HealthyRun(
            str(place / "run"), options, run_python(*command, seconds=550), watched=None
        )
    else:
        cgroup = RealCgroup(folder)
        cgroup.limit(PIDS)
        outcome, watched = watch(place, cgroup, command, f"127.0.0.1:{port}")
        yield HealthyRun(str(place / "run"), options, outcome, watched)
    if folder is not None:
        remove_cgroup(folder)


def watch(
    place: Path, cgroup: RealCgroup, command: list[str], targets: str
) -> tuple[CommandOutcome, Watched]:
    """Run Python in ``cgroup`` under a Prometheus to whose rules each second is ``SCALE``."""
    join = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
    with (
        receiver() as hook,
        stack(place, targets=targets, webhook=hook.url, scale=SCALE) as servers,
    ):
        done = subprocess.run(
            ["sh", "-c", join, cgroup.folder, sys.executable, *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=550,
        )
        fullest = servers.query("max(max_over_time(foldwatch:ceiling_used:ratio[1h]))")
        fired = servers.query('last_over_time(ALERTS{alertstate="firing"}[1h])')
    outcome = CommandOutcome(done.returncode, done.stdout, done.stderr)
    return outcome, Watched(float(fullest[0]["value"][1]), fired, hook.received)


@pytest.mark.root
@pytest.mark.prometheus
def test_no_alert_over_a_full_healthy_training(healthy: HealthyRun) -> None:
    """By either way, under a limit that it comes near to."""
    need(healthy.watched, "root, a pids cgroup, Prometheus and Alertmanager")
    assert healthy.watched is not None
    assert healthy.watched.fullest > 0.4
    assert healthy.watched.fired == []
    assert healthy.watched.received == []
    assert "foldwatch alert" not in healthy.outcome.err


def test_a_healthy_run_is_whole(healthy: HealthyRun) -> None:
    """Metrics, checkpoints, modalities and the verdict."""
    assert healthy.outcome.code == 0, healthy.outcome.err
    assert_whole(healthy, healthy.outcome)


def assert_whole(run: HealthyRun, outcome: CommandOutcome) -> None:
    """Assert that the run has all of its folds, and fold 2 all of its files."""
    assert re.search(r"mean of 3 of 3 +0\.\d{4} ± 0\.\d{4}", outcome.out)
    with open(os.path.join(run.folder, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    assert summary["is_complete"]
    assert summary["metrics"]["accuracy"]["mean"] > 0.8
    readings = [
        record
        for record in JournalFollower(journal(run.folder, 2)).finish()
        if isinstance(record, Reading) and record.label
    ]
    assert [reading.stage for reading in readings] == STAGES
    assert (readings[1].maps or 0) > 1000
    path = os.path.join(run.folder, "modality_results_run_2.csv")
    with open(path, encoding="utf-8") as file:
        rows = {row["modality"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["image", "edges", "table", "combined", "forest", "gated"]
    assert {row["run"] for row in rows.values()} == {"2"}
    assert all(float(row["accuracy"]) > 0.7 for row in rows.values())
    analysis = analyze([run.folder])
    assert analysis.verdict == "ok"
    assert analysis.findings[0].growth["maps"].verdict == "stable"


def journal(folder: str, fold: int) -> str:
    return os.path.join(folder, f"fold-{fold}", "journal.jsonl")


def test_a_run_that_is_killed_in_fold_2_is_resumed(healthy: HealthyRun) -> None:
    """SIGKILL to the runner takes its worker along; auto finishes the rest and repeats nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "foldwatch", *healthy.options, "--fold", "2"], cwd=ROOT
    )
    path, before = journal(healthy.folder, 2), os.stat(journal(healthy.folder, 2)).st_ino

    def has_started() -> bool:
        assert process.poll() is None
        if not os.path.exists(path) or os.stat(path).st_ino == before:
            return False  # the earlier fold's, which the runner is about to set aside
        return any(getattr(r, "stage", "") == "START" for r in JournalFollower(path).poll())

    wait_until(has_started, 120, "the start of fold 2")
    process.send_signal(signal.SIGKILL)
    process.wait()
    worker = next(r for r in JournalFollower(path).poll() if isinstance(r, Header)).pid
    wait_for_end(worker, 10)
    results = [os.path.join(healthy.folder, f"fold-{fold}", "result.json") for fold in (1, 2, 3)]
    assert not os.path.exists(results[1])
    finished = [os.stat(results[fold]).st_mtime_ns for fold in (0, 2)]

    outcome = run_foldwatch(*healthy.options, "--resume_mode", "auto")
    assert outcome.code == 0, outcome.err
    for fold in (1, 3):
        assert f"fold {fold}: skipped (result already complete)" in outcome.err
    assert [os.stat(results[fold]).st_mtime_ns for fold in (0, 2)] == finished
    assert_whole(healthy, outcome)


def test_all_folds_in_one_process_show_growth_or_its_absence(tmp_path: Path) -> None:
    """``python -m trainer``, --isolation none: one series over three folds, judged."""
    place = str(tmp_path / "run")
    options = ["--isolation", "none", "--epochs", "1", "--device-mode", "single"]
    outcome = run_python(
        *("-m", "trainer", *options, "--output", place),
        seconds=550,
        environment={"TF_NUM_INTEROP_THREADS": "3"},
    )
    assert outcome.code == 0, outcome.err
    (finding,) = analyze([place]).findings
    assert finding.process.folds == [1, 2, 3]
    records = JournalFollower(os.path.join(place, "journal.jsonl")).finish()
    header = next(record for record in records if isinstance(record, Header))
    assert header.environment == dict(THREAD_CAPS) | {"TF_NUM_INTEROP_THREADS": "3"}
    assert finding.growth["threads"].verdict not in {"growing", "critical"}
