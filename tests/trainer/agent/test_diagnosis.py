"""The diagnosis of a fold's end has an end of its own, whatever the fold has written."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import wait_until
from trainer.agent import diagnosis
from trainer.agent.diagnosis import Diagnosis, diagnose
from trainer.agent.fold_failure import explain
from trainer.process.launcher import ExitStatus

if TYPE_CHECKING:
    from pathlib import Path

LINE = "[THREADS] Fold 1/2 stage 7: proc=9, cgroup=4/100, maps=9/65530, rss=9MB\n"


@pytest.fixture
def fold_dir(tmp_path: Path) -> str:
    """Give the directory of a fold."""
    (tmp_path / "output.log").write_text(LINE)
    return str(tmp_path)


def test_nobody_waits_for_it_longer_than_it_may_take(
    fold_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold's own end is told, and how to judge it by hand."""
    monkeypatch.setattr(diagnosis, "DIAGNOSIS_SECONDS", 0.0)
    failure = explain(
        1,
        ExitStatus.of(3),
        fold_dir=fold_dir,
        pid=1,
        end_reason=None,
        seconds=1.0,
        attempt="",
    )
    assert (failure.outcome, failure.exit_code) == ("exit code", 3)
    assert failure.root_cause.endswith(f"not diagnosed in time: foldwatch analyze {fold_dir}")


def test_it_ends_as_soon_as_nobody_wants_it(fold_dir: str) -> None:
    """As at a signal to the agent."""
    assert diagnose(fold_dir, 1, is_wanted=lambda: False) == Diagnosis(is_cut_short=True)


@pytest.mark.slow
def test_a_run_that_is_to_end_does_not_wait_for_it(tmp_path: Path) -> None:
    """Nor is the end of the fold lost."""
    code = f"import sys; sys.stdout.write({LINE!r} * 500_000); sys.exit(3)"
    command = [sys.executable, "-m", "foldwatch", "run", "--output", str(tmp_path / "run")]
    run = subprocess.Popen([*command, "--", sys.executable, "-c", code], cwd=ROOT)
    journal = tmp_path / "run/fold-1/journal.jsonl"
    try:
        wait_until(lambda: journal.exists() and b'"exited"' in journal.read_bytes(), 60, "its end")
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) in {1, 130}
    finally:
        run.kill()
    failure = (tmp_path / "run/fold-1/failure.json").read_text()
    assert '"exit_code": 3' in failure
