"""`start`, `checkpoint`, `fold`: what a training script sees, and that nothing harms it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Header
from telemetry.reading import Reading
from telemetry.thread_line import parse_line
from tests.scripts.recorder_cases import WRONG_STARTS
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.programs import CommandOutcome, run_python
from tests.support.requirements import need
from tests.support.waiting import wait_for_end

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup


CASES = "tests.scripts.recorder_cases"


def run(code: str, **environment: str) -> CommandOutcome:
    """Run a training script of a line or two in a process of its own."""
    return run_python("-W", "error", "-c", code, environment=environment)


def run_case(name: str, *arguments: object, **environment: str) -> CommandOutcome:
    """Run one of the trainings of tests/scripts/recorder_cases.py."""
    words = ("-W", "error", "-m", CASES, name, *map(str, arguments))
    return run_python(*words, environment=environment)


def journal(path: Path) -> list[object]:
    follower = JournalFollower(str(path))
    records: list[object] = list(follower.finish())
    assert follower.skipped == []
    return records


def test_importing_loads_the_standard_library_only_and_starts_nothing() -> None:
    """No third-party module, no thread, no file."""
    outcome = run_case("importing")
    assert outcome.out.split("\n")[:3] == ["[]", "1 1", "0"]


def test_checkpoints_make_lines_and_records(tmp_path: Path) -> None:
    """A line on standard output and a record in the journal, with the fold in both."""
    outcome = run_case("checkpoints", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    labels = [parse_line(line).label for line in outcome.out.splitlines()]
    assert labels == [
        "before TF import",
        "Fold 2/3 START",
        "Fold 2/3 by hand",
        "after RF fit (n_jobs=2)",
        "end",
    ]
    header, *readings = journal(tmp_path / "journal.jsonl")
    assert isinstance(header, Header)
    assert [(r.label, r.fold, r.folds, r.stage) for r in readings if isinstance(r, Reading)] == [
        ("before TF import", None, None, "before TF import"),
        ("Fold 2/3 START", 2, 3, "START"),
        ("Fold 2/3 by hand", 2, 3, "by hand"),
        ("after RF fit (n_jobs=2)", 2, 3, "after RF fit (n_jobs=2)"),
        ("end", 2, 3, "end"),
    ]


def test_the_runner_s_environment_is_followed(tmp_path: Path) -> None:
    """The journal goes into fold-K, and a supervised process starts no timer."""
    outcome = run(
        "import telemetry, threading\ntelemetry.checkpoint('a')\nprint(threading.active_count())\n",
        FOLDWATCH_RUN_DIR=str(tmp_path),
        FOLDWATCH_FOLD="3",
        FOLDWATCH_SUPERVISED="1",
    )
    assert outcome.out.splitlines()[-1] == "1"
    records = journal(tmp_path / "fold-3" / "journal.jsonl")
    assert [type(record).__name__ for record in records] == ["Header", "Reading", "Event"]


def test_the_timer_reads_between_checkpoints(tmp_path: Path) -> None:
    """Samples without a label, in the fold that was named last."""
    run_case("timer", tmp_path)
    readings = [r for r in journal(tmp_path / "journal.jsonl") if isinstance(r, Reading)]
    labelled = next(number for number, reading in enumerate(readings) if reading.label)
    samples = readings[labelled + 1 :]
    assert len(samples) >= 5
    assert {(sample.label, sample.fold) for sample in samples} == {(None, 1)}


@pytest.mark.parametrize("start", WRONG_STARTS)
def test_what_fails_is_logged_once_and_the_training_goes_on(start: str) -> None:
    """An unwritable directory, a wrong port, a full or broken stream: never an exception."""
    outcome = run_case("wrong_start", start, PYTHONUNBUFFERED="1")
    assert outcome.code == 0
    assert re.search(r"^alive \d+$", outcome.out, re.MULTILINE)
    assert outcome.err.count("training goes on") == 1


def test_nothing_of_the_user_s_own_making_raises_through_telemetry() -> None:
    """A label whose text raises, and a logging handler that raises."""
    outcome = run_case("raising_label_and_handler")
    assert outcome.out.splitlines()[-1] == "alive", outcome
    assert "[THREADS] 7: proc=" in outcome.out


def test_eight_threads_that_begin_at_once_make_one_sampler(tmp_path: Path) -> None:
    """One header, one timer."""
    outcome = run_case("threads_at_once", FOLDWATCH_RUN_DIR=str(tmp_path))
    assert outcome.out.splitlines()[-1] == "1"
    records = journal(tmp_path / "journal.jsonl")
    assert sum(isinstance(record, Header) for record in records) == 1
    assert sum(isinstance(record, Reading) and record.label == "a" for record in records) == 8


def test_a_stage_is_a_block_or_a_function_and_raises_through() -> None:
    """For PyTorch, JAX, scikit-learn: anything that has a beginning and an end."""
    outcome = run_case("stages")
    labels = [line.split(": ")[0] for line in outcome.out.splitlines()]
    assert labels == [
        "[THREADS] Fold 1/2 before fit",
        "[THREADS] Fold 1/2 after fit",
        "[THREADS] Fold 1/2 before evaluate",
        "[THREADS] Fold 1/2 after evaluate",
        "raised",
    ]


def test_peaks_between_labels_are_in_the_next_one(tmp_path: Path) -> None:
    """Forty threads that came and went while nobody set a label."""
    run_case("peaks", tmp_path)
    labelled = {
        r.label: r
        for r in journal(tmp_path / "journal.jsonl")
        if isinstance(r, Reading) and r.label
    }
    assert (labelled["after"].threads or 99) < 10
    assert labelled["after"].peaks["threads"] >= 42
    assert labelled["again"].peaks["threads"] < 10


def test_each_stage_keeps_the_fold_that_reached_it() -> None:
    """Fold 2 has not come to "after fit" yet; the value there is fold 1's."""
    outcome = run_case("folds_of_stages")
    assert outcome.out.splitlines()[-1] == "{1: ['after fit'], 2: ['START']}"


@pytest.mark.tensorflow
def test_keras_epochs_are_checkpoints() -> None:
    """Every second one and the last, inside the fold; Keras is loaded when it is asked for."""
    outcome = run_case("keras_epochs")
    assert [line.split(": ")[0] for line in outcome.out.splitlines()] == [
        "[THREADS] Fold 1/3 epoch 2",
        "[THREADS] Fold 1/3 epoch 4",
        "[THREADS] Fold 1/3 epoch 5",
        "every=0",
        "module 'telemetry' has no attribute 'nonsense'",
    ], outcome.err


def test_a_label_that_standard_output_cannot_encode_is_written_all_the_same() -> None:
    """An ASCII terminal must not end a training."""
    outcome = run(
        "import telemetry; telemetry.checkpoint('Zwölf \\ud800')", PYTHONIOENCODING="ascii:strict"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert r"Zw\xf6lf" in outcome.out


def test_a_forked_child_does_not_write_its_parent_s_journal(tmp_path: Path) -> None:
    """It reads its own numbers and leaves the file alone."""
    outcome = run_case("forks", tmp_path)
    assert outcome.code == 0, outcome.err
    readings = [r for r in journal(tmp_path / "journal.jsonl") if isinstance(r, Reading)]
    assert {r.label for r in readings} == {None, "parent", "parent again"}
    assert len({r.pid for r in readings}) == 1


def test_metrics_are_served_from_inside_the_process(tmp_path: Path) -> None:
    """start(port=...) and a scrape, in text and in OpenMetrics."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", CASES, "serve_metrics", str(tmp_path), str(port)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    while process.stdout.readline() != b"ready\n":
        assert process.poll() is None
    url = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    request = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.read().endswith(b"# EOF\n")
    process.communicate()
    assert re.search(r'foldwatch_checkpoint_threads\{fold="1",.*stage="START"\} [1-9]', text)
    assert re.search(r'foldwatch_threads\{fold="1",host="[^"]+",rank="",run="[^"]+"\} [1-9]', text)


CHECKPOINT = "import telemetry\ntelemetry.checkpoint('a')\n"


def test_the_limit_of_a_real_pids_cgroup_is_in_the_line(pids_cgroup: RealCgroup) -> None:
    """cgroup=N/7680."""
    pids_cgroup.limit(7680)
    outcome = pids_cgroup.run(CHECKPOINT)
    assert re.search(r"cgroup=[1-9]\d*/7680, ", outcome.out), outcome


def test_a_tighter_real_parent_is_shown(pids_cgroup: RealCgroup) -> None:
    """The parent has the smaller headroom because a sibling uses it, though its limit is larger."""
    pids_cgroup.limit(60)
    inner = pids_cgroup.child("inner")
    inner.limit(50)
    sibling = pids_cgroup.child("sibling")
    procs = os.path.join(inner.folder, "cgroup.procs")
    outcome = sibling.run_module("tests.scripts.hold_threads_in_sibling", procs)
    assert re.search(r"cgroup=3\d/60, ", outcome.out), outcome


def test_without_a_pids_limit_the_line_says_max(pids_cgroup: RealCgroup) -> None:
    """Made but not limited: the count is known and the limit is none."""
    assert re.search(r"cgroup=[1-9]\d*/max, ", pids_cgroup.run(CHECKPOINT).out)


def test_limits_names_what_binds(pids_cgroup: RealCgroup) -> None:
    """In a full pids cgroup that one; outside it another."""
    pids_cgroup.limit(1)
    code = "import sys; from foldwatch.main import main; sys.exit(main(['limits', '--json']))"
    inside = json.loads(pids_cgroup.run(code).out)
    assert inside["binding"] == "pids_cgroup"
    assert inside["ceilings"][0]["limit"] == 1
    assert inside["ceilings"][0]["source"].endswith(os.path.basename(pids_cgroup.folder))
    outside = json.loads(run(code).out)
    assert outside["binding"] not in {None, "pids_cgroup"}


def test_a_process_in_another_mount_namespace_is_seen_with_its_own_limit(
    pids_cgroup: RealCgroup,
) -> None:
    """As a container's is from the host: never "unlimited" because we looked at our own mounts."""
    pids_cgroup.limit(77)
    words = pids_cgroup.run_module("tests.scripts.enter_mount_namespace").out.split()
    pid = int(words[0])
    try:
        need(words[1:] == ["b'ready\\n'"], "leave to make a mount namespace with a v1 pids mount")
        code = f"from foldwatch.main import main; main(['limits', '--json', '--pid', '{pid}'])"
        (ceiling, *_) = json.loads(run(code).out)["ceilings"]
        assert (ceiling["limit"], ceiling["current"]) == (77, 1)
    finally:
        os.kill(pid, 9)
        wait_for_end(pid)


def test_at_a_full_pids_cgroup_a_checkpoint_still_returns(
    pids_cgroup: RealCgroup, tmp_path: Path
) -> None:
    """No thread is started late, and the hits are counted."""
    pids_cgroup.limit(12)
    outcome = pids_cgroup.run_module(CASES, "fill_cgroup", str(tmp_path))
    assert outcome.out.splitlines()[0] == "full"
    assert "cgroup=12/12" in outcome.out
    assert "BINDING pids_cgroup" in outcome.out
    last = journal(tmp_path / "journal.jsonl")[-1]
    assert isinstance(last, Reading)
    assert (last.pids_limit_hits or 0) >= 1


@pytest.mark.root
def test_root_is_there_for_the_tests_above() -> None:
    """On CI all of them run."""
    need(os.geteuid() == 0, "root, to make a cgroup")
