"""The fold runner: however a fold's process ends, with small scripts in the trainer's place."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.reading import Reading
from tests.support.agents_in_threads import EngineOfThreads
from tests.support.paths import ROOT
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.process import fold_process
from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.job import Job, RunOptions
from trainer.run.resume_plan import plan
from trainer.runner.fold_runner import FoldRunner
from trainer.runner.observer import RunObserver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.snapshot import Snapshot
    from trainer.run.fold_result import Summary
    from trainer.runner.engine import Engine

pytestmark = pytest.mark.slow

FOLDWATCH_RUN = (sys.executable, "-m", "foldwatch", "run")
CONFIG = RunConfig(folds=3, epochs=1, device_mode="cpu")
WORKER = os.path.join(ROOT, "tests", "scripts", "stand_in_worker.py")


def stand_in(trouble: str = "none", argument: str = "", troubled: tuple[int, ...] = (2,)) -> Job:
    """Give a worker without TensorFlow that has a trouble in some folds."""
    folds = ",".join(map(str, troubled))
    return Job(
        command=lambda place, _fold: [
            *(sys.executable, WORKER, place.path, folds, trouble, argument)
        ],
        is_persistent=True,
    )


class Recorder(RunObserver):
    """Keeps what a run reports, in the lists it is given."""

    def __init__(self, said: list[str] | None, seen: list[Snapshot] | None) -> None:
        self.said, self.seen = said, seen

    def on_message(self, text: str, /) -> None:
        if self.said is not None:
            self.said.append(text)

    def on_change(self, snapshot: Snapshot, /) -> None:
        if self.seen is not None:
            self.seen.append(snapshot)


def run(
    tmp_path: Path,
    trouble: str = "none",
    argument: str = "",
    *,
    troubled: tuple[int, ...] = (2,),
    resume_mode: str = "fresh",
    only: int | None = None,
    config: RunConfig = CONFIG,
    said: list[str] | None = None,
    seen: list[Snapshot] | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> tuple[FoldRunner, RunDirectory, Summary]:
    directory = RunDirectory(str(tmp_path / "run"))
    directory.create()
    runner = FoldRunner(
        directory,
        config,
        plan(directory, config, only=only, resume_mode=resume_mode),
        job=stand_in(trouble, argument, troubled),
        options=RunOptions(**options),
        observer=Recorder(said, seen),
        engine=engine,
    )
    return runner, directory, runner.run()


def failure_of(directory: RunDirectory, fold: int) -> dict[str, Any]:
    with open(os.path.join(directory.fold(fold), "failure.json"), encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts import the packages, wherever pytest was started."""
    monkeypatch.setenv("PYTHONPATH", ROOT)


def test_every_fold_has_a_process_of_its_own(tmp_path: Path) -> None:
    """Results, journals and logs in fold-K; a summary over all."""
    runner, directory, summary = run(tmp_path)
    assert (runner.state.failed, summary.missing) == ([], [])
    pids = set()
    for fold in (1, 2, 3):
        there = sorted(os.listdir(directory.fold(fold)))
        assert there == ["journal.jsonl", "output.log", "result.json"]
        records = JournalFollower(os.path.join(directory.fold(fold), "journal.jsonl")).finish()
        pids |= {record.pid for record in records}
        assert isinstance(records[-1], Event)
        assert records[-1].facts["exit_code"] == 0
    assert len(pids) == 3
    with open(os.path.join(directory.path, "summary.json"), encoding="utf-8") as file:
        assert json.load(file)["is_complete"] is True
    analysis = analyze([directory.path])
    assert analysis.verdict == "ok"
    assert {growth.verdict for f in analysis.findings for growth in f.growth.values()} <= {
        "stable",
        "inconclusive",
    }


@pytest.mark.parametrize(
    ("trouble", "argument", "ending", "reason"),
    [
        (
            *("error", "no such label", ("exception", 1, None)),
            "exited with 1; last line: ValueError: no such label",
        ),
        (
            *("error", "first\nsecond", ("exception", 1, None)),
            "exited with 1; last line: ValueError: first ... second",
        ),
        ("ends", "5", ("exit code", 5, None), "exited with 5; last line: (THREADS) Fold 2/3"),
        ("ends", "0", ("no result", 0, None), "exited with 0 and left no result.json"),
        ("dies", "9", ("signal", 137, "SIGKILL"), "ended by SIGKILL; last line: "),
        ("dies", "6", ("signal", 134, "SIGABRT"), "ended by SIGABRT"),
        ("dies", "11", ("signal", 139, "SIGSEGV"), "ended by SIGSEGV"),
        ("dies", "40", ("signal", 168, "SIGRTMIN+6"), "ended by SIGRTMIN+6"),
    ],
)
def test_however_a_fold_dies_the_others_run_and_the_mean_says_so(
    tmp_path: Path, trouble: str, argument: str, ending: tuple[str, int, str | None], reason: str
) -> None:
    """The failure is typed, and no mean is over a missing fold in silence."""
    runner, directory, summary = run(tmp_path, trouble, argument)
    assert (runner.state.failed, summary.missing) == ([2], [2])
    failure = failure_of(directory, 2)
    assert (failure["outcome"], failure["exit_code"], failure["signal"]) == ending
    assert failure["reason"].startswith(reason)
    assert failure["stderr_tail"][0].startswith("[THREADS] before TF import")
    states = [part.state for part in runner.state.current.folds]
    assert states == ["finished", "failed", "finished"]
    assert [part.exit_code for part in runner.state.current.folds] == [0, ending[1], 0]
    assert len(summary.results) == 2


def test_two_folds_killed_half_way_are_resumed_and_the_finished_one_is_not_repeated(
    tmp_path: Path,
) -> None:
    """--resume-mode auto after two kills; the aggregate says what it covers before and after."""
    runner, directory, summary = run(tmp_path, "dies", "9", troubled=(2, 3))
    assert (runner.state.failed, summary.missing) == ([2, 3], [2, 3])
    with open(os.path.join(directory.path, "summary.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert (content["folds"], content["folds_finished"], content["is_complete"]) == (3, [1], False)
    before = os.stat(os.path.join(directory.fold(1), "result.json")).st_mtime_ns
    runner, _, summary = run(tmp_path, resume_mode="auto")
    assert summary.missing == []
    assert [part.state for part in runner.state.current.folds] == [
        "skipped",
        "finished",
        "finished",
    ]
    assert os.stat(os.path.join(directory.fold(1), "result.json")).st_mtime_ns == before
    assert os.path.exists(os.path.join(directory.path, "previous-1", "fold-2", "failure.json"))
    assert analyze([directory.path]).verdict == "ok"


def test_one_process_for_all_folds(tmp_path: Path) -> None:
    """--isolation none: one journal with every fold in it."""
    runner, directory, summary = run(tmp_path, isolation="none")
    assert summary.missing == []
    assert [part.state for part in runner.state.current.folds] == ["finished"] * 3
    (finding,) = analyze([directory.path]).findings
    assert finding.process.folds == [1, 2, 3]
    assert not finding.is_isolated


def test_one_process_that_dies_takes_the_later_folds_with_it(tmp_path: Path) -> None:
    """Each failure says whether its fold was reached."""
    runner, directory, summary = run(tmp_path, "dies", "6", isolation="none")
    assert (runner.state.failed, summary.missing) == ([2, 3], [2, 3])
    assert failure_of(directory, 3)["reason"] == "not reached: fold 2 ended the process"
    assert "black-box.jsonl" in os.listdir(directory.fold(2))
    finding = next(one for one in analyze([directory.path]).findings if one.process.pid)
    assert finding.process.black_box is not None


def test_what_a_fold_leaves_running_dies_with_it(tmp_path: Path) -> None:
    """A child that ignores SIGTERM, orphaned by its parent's end."""
    mark = tmp_path / "orphan"
    _, _, summary = run(tmp_path, "leaves_child", str(mark))
    assert summary.missing == []
    wait_for_end(int(mark.read_text()))


def test_a_thread_that_outlives_a_good_fold_is_told_once_and_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed by the runner, which says so on the screen and in the journal."""
    monkeypatch.setattr(fold_process, "EXIT_SECONDS", 0.5)
    said: list[str] = []
    runner, directory, summary = run(
        tmp_path, "leaves_thread", troubled=(1, 2, 3), said=said, engine=EngineOfThreads()
    )
    assert (runner.state.failed, summary.missing) == ([], [])
    assert {part.exit_code for part in runner.state.current.folds} == {0}
    assert [text for text in said if "did not end" in text] == said
    assert len(said) == 1
    assert analyze([directory.path]).verdict == "ok"


def test_the_process_is_sampled_from_outside(tmp_path: Path) -> None:
    """Samples between its labels, of the same process, without a thread in it."""
    seen: list[Snapshot] = []
    _, directory, _ = run(tmp_path, "waits_for_samples", "2", only=2, seen=seen)
    records = JournalFollower(os.path.join(directory.fold(2), "journal.jsonl")).finish()
    readings = [record for record in records if isinstance(record, Reading)]
    assert sum(reading.label is None for reading in readings) >= 2
    assert len({(reading.pid, reading.start_ticks) for reading in readings}) == 1
    running = [s.folds[1] for s in seen if s.folds[1].state == "running" and s.folds[1].latest]
    assert running
    assert running[-1].checkpoints["START"].fold == 2


@pytest.mark.parametrize("number", [2, 15])
def test_ctrl_c_and_sigterm_end_the_fold_and_leave_a_run_to_resume(
    tmp_path: Path, number: int
) -> None:
    """Exit 130, no process left, a summary that says nothing is finished."""
    place = tmp_path / "run"
    code = 'import time; print("here", flush=True); time.sleep(60)'
    process = subprocess.Popen(
        [*FOLDWATCH_RUN, "--folds", "3", "--output", str(place), "--", sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    journal = place / "fold-1" / "journal.jsonl"
    output = place / "fold-1" / "output.log"

    def has_written() -> bool:
        assert process.poll() is None
        return output.exists() and bool(output.read_bytes())

    wait_until(has_written, 30, "the fold's first line")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.decode().splitlines()[-1] == "foldwatch: interrupted"
    assert b"Traceback" not in err
    assert json.loads((place / "fold-1" / "failure.json").read_text())["reason"] == "interrupted"
    assert analyze([str(place)]).outcome == "stopped"
    records = JournalFollower(str(journal)).finish()
    assert isinstance(records[-1], Event)
    assert records[-1].facts["signal"] == "SIGTERM"
    assert not os.path.exists(f"/proc/{records[-1].pid}")
    assert json.loads((place / "summary.json").read_text())["folds_missing"] == [1, 2, 3]


def test_a_failed_fold_is_tried_again_and_its_first_attempt_is_kept(tmp_path: Path) -> None:
    """--retries 1: the second attempt finishes, the first one's files are set aside."""
    mark = tmp_path / "tried"
    said: list[str] = []
    runner, directory, summary = run(tmp_path, "dies_once", str(mark), retries=1, said=said)
    assert (runner.failures, summary.missing) == ({}, [])
    kept = os.path.join(directory.path, "previous-1", "fold-2", "failure.json")
    with open(kept, encoding="utf-8") as file:
        assert json.load(file)["signal"] == "SIGABRT"
    assert any("fold 2: attempt 2 of 2, after ended by SIGABRT" in line for line in said)


def test_who_watches_cannot_end_the_run(tmp_path: Path) -> None:
    """A hook that raises is told of once; the folds go on."""

    class Broken(list[Any]):
        def append(self, thing: Any) -> None:
            if thing.folds[0].state == "running":
                raise ValueError("no such page")

    said: list[str] = []
    _, _, summary = run(tmp_path, said=said, seen=Broken())
    assert summary.missing == []
    assert said == ["watching failed: ValueError: no such page"]


def test_retries_end(tmp_path: Path) -> None:
    """A fold that always fails is tried retries + 1 times."""
    count = tmp_path / "count"
    runner, directory, _ = run(tmp_path, "counts", str(count), retries=2)
    assert runner.state.failed == [2]
    assert count.read_text() == "xxx"
    assert failure_of(directory, 2)["exit_code"] == 3


def test_stop_on_failure_starts_no_further_fold(tmp_path: Path) -> None:
    """Folds behind it stay waiting; they did not fail."""
    runner, _, summary = run(tmp_path, "dies", "6", stops_on_failure=True)
    assert [part.state for part in runner.state.current.folds] == ["finished", "failed", "waiting"]
    assert summary.missing == [2, 3]


def test_a_fold_that_hangs_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--timeout, for a process that ignores SIGTERM."""
    monkeypatch.setattr(fold_process, "GRACE_SECONDS", 0.5)
    mark = tmp_path / "hangs"

    failure_json = tmp_path / "run" / "fold-2" / "failure.json"

    def clock() -> float:
        """Show ten minutes more for as long as the fold hangs."""
        return time.monotonic() + 600 * (mark.exists() and not failure_json.exists())

    engine = EngineOfThreads(clock=clock)
    runner, directory, summary = run(
        tmp_path, "hangs", str(mark), timeout_seconds=300, engine=engine
    )
    assert (runner.state.failed, summary.missing) == ([2], [2])
    failure = failure_of(directory, 2)
    assert (failure["outcome"], failure["signal"]) == ("timeout", "SIGKILL")
    assert failure["reason"] == "timeout: it ran for more than 300 s"
    assert failure["root_cause"] == failure["reason"]  # not that the runner ended it


def test_folds_run_side_by_side(tmp_path: Path) -> None:
    """--parallel 3: all three are at the same place at the same time."""
    meeting = tmp_path / "meeting"
    for fold in (1, 2, 3):
        (meeting / f"{fold}").mkdir(parents=True)
    _, _, summary = run(tmp_path, "waits_for_others", str(meeting), troubled=(1, 2, 3), parallel=3)
    assert summary.missing == []


def test_the_next_worker_is_loaded_before_the_fold_ends(tmp_path: Path) -> None:
    """It has nothing to do until the fold before it is gone, and writes to its own fold's journal."""
    _, directory, _ = run(tmp_path, "waits_for_next", troubled=(1, 2, 3), seen=[])
    stages: dict[int, dict[str, float]] = {}
    pids = {}
    for fold in (1, 2, 3):
        records = JournalFollower(os.path.join(directory.fold(fold), "journal.jsonl")).finish()
        readings = [r for r in records if isinstance(r, Reading)]
        stages[fold] = {r.stage: r.time for r in readings if r.stage}
        stages[fold]["exited"] = records[-1].time if isinstance(records[-1], Event) else 0.0
        (pids[fold],) = {r.pid for r in readings}
    assert len(set(pids.values())) == 3
    for fold in (2, 3):
        assert stages[fold]["after TF import"] < stages[fold - 1]["AFTER CLEANUP"]
        assert stages[fold]["START"] > stages[fold - 1]["exited"] - 0.1


@pytest.fixture
def few_files() -> Iterator[int]:
    """Lower the limit of open files for what is started meanwhile; give the limit."""
    need(len(os.listdir("/proc/self/fd")) < 200, "tests before it that close their files")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    try:
        yield 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


SIX = RunConfig(folds=6, epochs=1, device_mode="cpu")
ALL_SIX = (1, 2, 3, 4, 5, 6)


def test_a_leak_that_would_hit_the_limit_in_fold_4_is_met_by_recycling(
    tmp_path: Path, few_files: int
) -> None:
    """--isolation auto: two folds a process, for the third one's forecast is over 80 % of 300."""
    del few_files
    said: list[str] = []
    runner, _, _ = run(
        tmp_path / "a", "leaks_files", "80", isolation="none", troubled=ALL_SIX, config=SIX
    )
    assert runner.state.failed == [4, 5, 6]
    runner, directory, summary = run(
        tmp_path / "b",
        "leaks_files",
        "80",
        isolation="auto",
        said=said,
        troubled=ALL_SIX,
        config=SIX,
    )
    assert (runner.state.failed, summary.missing) == ([], [])
    assert [line.split(":")[0] for line in said] == ["fold 3", "fold 5"]
    assert "open_files: forecast peak" in said[0]
    assert "80% of the limit is 240" in said[0]
    (first, second, third) = (f.process.folds for f in analyze([directory.path]).findings)
    assert (first, second, third) == ([1, 2], [3, 4], [5, 6])


def test_without_growth_auto_keeps_one_process(tmp_path: Path, few_files: int) -> None:
    """No false alarm: all six folds in it, and nothing is said."""
    del few_files
    said: list[str] = []
    _, directory, summary = run(tmp_path, isolation="auto", config=SIX, said=said)
    assert (summary.missing, said) == ([], [])
    (finding,) = analyze([directory.path]).findings
    assert finding.process.folds == [1, 2, 3, 4, 5, 6]


def test_a_daemon_that_left_its_session_dies_with_the_fold(tmp_path: Path) -> None:
    """Double fork and setsid: its parent is gone, its group is another one."""
    mark = tmp_path / "daemon"
    _, _, summary = run(tmp_path, "leaves_daemon", str(mark))
    assert summary.missing == []
    wait_for_end(int(mark.read_text()))


def test_a_full_disk_fails_the_fold_in_one_line_and_the_rest_is_resumed(tmp_path: Path) -> None:
    """A tmpfs of 200 kB: what there is stays whole, and with room again auto finishes."""
    need(os.geteuid() == 0, "root, to mount a tmpfs")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], check=True)
    try:
        command = [*FOLDWATCH_RUN, "--folds", "3", "--output", str(small / "run"), "--"]
        fill = "import sys; sys.stdout.write('x' * (9 if {fold} == 1 else 10 ** 6))"
        command += [sys.executable, "-c", fill]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
        assert done.returncode in {1, 2}
        assert b"Traceback (most recent call last)" not in done.stderr.replace(b"fold 2 | ", b"")
        assert b"No space left on device" in done.stderr
        first = (small / "run" / "fold-1" / "result.json").read_text()
        subprocess.run(["mount", "-o", "remount,size=20m", small], check=True)
        command[command.index("--") : command.index("--")] = ["--resume-mode", "auto"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert (small / "run" / "fold-1" / "result.json").read_text() == first
        assert json.loads((small / "run" / "summary.json").read_text())["is_complete"]
    finally:
        subprocess.run(["umount", small], check=True)
