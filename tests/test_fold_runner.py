"""The fold runner: however a fold's process ends, with small scripts in the trainer's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from telemetry.journal import Event, JournalFollower
from telemetry.reading import Reading
from tests.conftest import ROOT, ends_within
from trainer.fold_runner import FoldRunner
from trainer.folds import RunConfig, RunDirectory, plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from telemetry.snapshot import Snapshot
    from trainer.fold_result import Summary

CONFIG = RunConfig(folds=3, epochs=1, device_mode="cpu")
WORKER = """
import os, signal, sys, time, telemetry
from trainer.fold_result import FoldResult
from trainer.folds import RunDirectory
directory, folds = RunDirectory(sys.argv[1]), [int(fold) for fold in sys.argv[2:]]
config = directory.config()
telemetry.checkpoint("before TF import")
for number in folds:
    with telemetry.fold(number, of=config.folds):
        telemetry.checkpoint("START")
        if number in {troubled}:
            {trouble}
        FoldResult(
            fold=number, folds=config.folds, config_digest=config.digest(),
            metrics={{"accuracy": 0.9 + number / 100}}, seconds=0.1,
        ).write(directory.fold(number))
        telemetry.checkpoint("AFTER CLEANUP")
"""


def run(
    tmp_path: Path,
    trouble: str = "pass",
    *,
    troubled: tuple[int, ...] = (2,),
    is_isolated: bool = True,
    resume_mode: str = "fresh",
) -> tuple[FoldRunner, RunDirectory, Summary]:
    directory = RunDirectory(str(tmp_path / "run"))
    directory.create()

    def command(place: RunDirectory, folds: Sequence[int]) -> list[str]:
        code = WORKER.format(trouble=trouble, troubled=troubled)
        return [sys.executable, "-c", code, place.path, *map(str, folds)]

    todo = plan(directory, CONFIG, only=None, resume_mode=resume_mode)
    runner = FoldRunner(directory, CONFIG, todo, command=command)
    return runner, directory, runner.run(is_isolated=is_isolated)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts import the packages, wherever pytest was started."""
    monkeypatch.setenv("PYTHONPATH", ROOT)


def test_every_fold_has_a_process_of_its_own(tmp_path: Path) -> None:
    """Results, journals and logs in fold-K; a summary over all."""
    runner, directory, summary = run(tmp_path)
    assert (runner.failed, summary.missing) == ([], [])
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
    ("trouble", "code", "signal_name", "reason"),
    [
        ("raise ValueError('no such label')", 1, None, "ValueError: no such label"),
        ("sys.exit(0)", 0, None, "exited with 0 and left no result.json"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "SIGKILL", "ended by SIGKILL; last line: "),
        ("os.abort()", 134, "SIGABRT", "ended by SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "SIGSEGV", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), 40)", 168, "SIGRTMIN+6", "ended by SIGRTMIN+6"),
    ],
)
def test_however_a_fold_dies_the_others_run_and_the_mean_says_so(
    tmp_path: Path, trouble: str, code: int, signal_name: str | None, reason: str
) -> None:
    """The failure is typed, and no mean is over a missing fold in silence."""
    runner, directory, summary = run(tmp_path, trouble)
    assert (runner.failed, summary.missing) == ([2], [2])
    with open(os.path.join(directory.fold(2), "failure.json"), encoding="utf-8") as file:
        failure = json.load(file)
    assert (failure["exit_code"], failure["signal"]) == (code, signal_name)
    assert failure["reason"].startswith(reason)
    states = [part.state for part in runner.snapshot.parts]
    assert states == ["finished", "failed", "finished"]
    assert [part.exit_code for part in runner.snapshot.parts] == [0, code, 0]
    assert len(summary.results) == 2


def test_two_folds_killed_half_way_are_resumed_and_the_finished_one_is_not_repeated(
    tmp_path: Path,
) -> None:
    """--resume-mode auto after two kills; the aggregate says what it covers before and after."""
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    runner, directory, summary = run(tmp_path, kill, troubled=(2, 3))
    assert (runner.failed, summary.missing) == ([2, 3], [2, 3])
    with open(os.path.join(directory.path, "summary.json"), encoding="utf-8") as file:
        content = json.load(file)
    assert (content["folds"], content["folds_finished"], content["is_complete"]) == (3, [1], False)
    before = os.stat(os.path.join(directory.fold(1), "result.json")).st_mtime_ns
    runner, _, summary = run(tmp_path, resume_mode="auto")
    assert summary.missing == []
    assert [part.state for part in runner.snapshot.parts] == ["skipped", "finished", "finished"]
    assert os.stat(os.path.join(directory.fold(1), "result.json")).st_mtime_ns == before
    assert os.path.exists(os.path.join(directory.path, "previous-1", "fold-2", "failure.json"))
    assert analyze([directory.path]).verdict == "ok"


def test_one_process_for_all_folds(tmp_path: Path) -> None:
    """--isolation none: one journal with every fold in it."""
    runner, directory, summary = run(tmp_path, is_isolated=False)
    assert summary.missing == []
    assert [part.state for part in runner.snapshot.parts] == ["finished"] * 3
    (finding,) = analyze([directory.path]).findings
    assert finding.process.folds == [1, 2, 3]
    assert not finding.is_isolated


def test_one_process_that_dies_takes_the_later_folds_with_it(tmp_path: Path) -> None:
    """Each failure says whether its fold was reached."""
    runner, directory, summary = run(tmp_path, "os.abort()", is_isolated=False)
    assert (runner.failed, summary.missing) == ([2, 3], [2, 3])
    with open(os.path.join(directory.fold(3), "failure.json"), encoding="utf-8") as file:
        assert json.load(file)["reason"] == "not reached: fold 2 ended the process"


def test_what_a_fold_leaves_running_dies_with_it(tmp_path: Path) -> None:
    """A child that ignores SIGTERM, orphaned by its parent's end."""
    mark, script = tmp_path / "orphan", tmp_path / "orphan.py"
    script.write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(mark)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    trouble = f"import subprocess; subprocess.Popen([sys.executable, {str(script)!r}]); "
    trouble += f"[time.sleep(0.05) for _ in range(200) if not os.path.exists({str(mark)!r})]; "
    _, _, summary = run(tmp_path, trouble + "time.sleep(0.2)")
    assert summary.missing == []
    assert ends_within(2, int(mark.read_text()))


def test_the_process_is_sampled_from_outside(tmp_path: Path) -> None:
    """Samples between its labels, of the same process, without a thread in it."""
    seen: list[Snapshot] = []
    directory = RunDirectory(str(tmp_path / "run"))
    directory.create()
    code = WORKER.format(trouble="time.sleep(2.5)", troubled=(2,))
    runner = FoldRunner(
        directory,
        CONFIG,
        plan(directory, CONFIG, only=2, resume_mode="fresh"),
        command=lambda place, folds: [sys.executable, "-c", code, place.path, *map(str, folds)],
        on_change=seen.append,
    )
    runner.run(is_isolated=True)
    records = JournalFollower(os.path.join(directory.fold(2), "journal.jsonl")).finish()
    readings = [record for record in records if isinstance(record, Reading)]
    assert sum(reading.label is None for reading in readings) >= 2
    assert len({(reading.pid, reading.start_ticks) for reading in readings}) == 1
    running = [s.parts[1] for s in seen if s.parts[1].state == "running" and s.parts[1].latest]
    assert running
    assert running[-1].checkpoints["START"].fold == 2


TRAIN_SLOWLY = """
import sys, foldwatch, trainer.fold_runner as fold_runner, trainer.cli
code = 'import time; print("here", flush=True); time.sleep(60)'
runner = fold_runner.FoldRunner
def launch(*arguments, **more):
    return runner(*arguments, command=lambda *_: [sys.executable, '-c', code], **more)
trainer.cli.FoldRunner = launch
sys.exit(foldwatch.main(['train', '--output', sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [2, 15])
def test_ctrl_c_and_sigterm_end_the_fold_and_leave_a_run_to_resume(
    tmp_path: Path, number: int
) -> None:
    """Exit 130, no process left, a summary that says nothing is finished."""
    place = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_SLOWLY, str(place)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    journal = place / "fold-1" / "journal.jsonl"
    output = place / "fold-1" / "output.log"
    while not (output.exists() and output.read_bytes()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.decode().splitlines()[-1] == "foldwatch: interrupted"
    assert b"Traceback" not in err
    assert json.loads((place / "fold-1" / "failure.json").read_text())["reason"] == "interrupted"
    assert analyze([str(place)]).verdict == "no samples"
    records = JournalFollower(str(journal)).finish()
    assert isinstance(records[-1], Event)
    assert records[-1].facts["signal"] == "SIGTERM"
    assert not os.path.exists(f"/proc/{records[-1].pid}")
    assert json.loads((place / "summary.json").read_text())["folds_missing"] == [1, 2, 3]
