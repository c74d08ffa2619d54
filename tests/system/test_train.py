"""The whole path, once, with real TensorFlow: kept few, for each fold costs seconds."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from analyzer import analyze
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Header
from telemetry.reading import Reading
from tests.support.paths import ROOT
from tests.support.waiting import ends_within
from trainer.run.thread_caps import THREAD_CAPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

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


def test_a_run_that_is_killed_in_fold_2_is_resumed(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome]
) -> None:
    """SIGKILL to the runner takes its worker along; auto finishes the rest and repeats nothing."""
    place = str(tmp_path / "run")
    command = ["train", "--folds", "2", "--epochs", "3", "--output", place]
    process = subprocess.Popen([sys.executable, "-m", "foldwatch", *command], cwd=ROOT)
    journal = os.path.join(place, "fold-2", "journal.jsonl")
    while "Fold 2/2 START" not in [
        getattr(r, "label", "") for r in JournalFollower(journal).poll()
    ]:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    worker = next(r for r in JournalFollower(journal).poll() if isinstance(r, Header)).pid
    assert ends_within(5, worker)
    first = os.stat(os.path.join(place, "fold-1", "result.json")).st_mtime_ns

    outcome = foldwatch(*command, "--resume_mode", "auto")
    assert outcome.code == 0, outcome.err
    assert "fold 1: skipped (result already complete)" in outcome.err
    assert os.stat(os.path.join(place, "fold-1", "result.json")).st_mtime_ns == first
    assert re.search(r"mean of 2 of 2 +0\.\d{4} ± 0\.\d{4}", outcome.out)
    with open(os.path.join(place, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    assert summary["is_complete"]
    assert summary["metrics"]["accuracy"]["mean"] > 0.8

    readings = [
        record
        for record in JournalFollower(os.path.join(place, "fold-2", "journal.jsonl")).finish()
        if isinstance(record, Reading) and record.label
    ]
    assert [reading.stage for reading in readings] == STAGES
    assert (readings[1].maps or 0) > 1000
    with open(os.path.join(place, "modality_results_run_2.csv"), encoding="utf-8") as file:
        rows = {row["modality"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["image", "edges", "table", "combined", "forest", "gated"]
    assert {row["run"] for row in rows.values()} == {"2"}
    assert all(float(row["accuracy"]) > 0.7 for row in rows.values())
    analysis = analyze([place])
    assert analysis.verdict == "ok"
    maps = analysis.findings[0].growth["maps"]
    assert maps.verdict == "stable"


def test_all_folds_in_one_process_show_growth_or_its_absence(tmp_path: Path) -> None:
    """``python -m trainer``, --isolation none: one series over three folds, judged."""
    place = str(tmp_path / "run")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "trainer",
            "--isolation",
            "none",
            "--epochs",
            "1",
            "--device-mode",
            "single",
            "--output",
            place,
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=240,
        env=os.environ | {"TF_NUM_INTEROP_THREADS": "3"},
    )
    assert done.returncode == 0, done.stderr
    (finding,) = analyze([place]).findings
    assert finding.process.folds == [1, 2, 3]
    records = JournalFollower(os.path.join(place, "journal.jsonl")).finish()
    header = next(record for record in records if isinstance(record, Header))
    assert header.environment == dict(THREAD_CAPS) | {"TF_NUM_INTEROP_THREADS": "3"}
    assert finding.growth["threads"].verdict not in {"growing", "critical"}
