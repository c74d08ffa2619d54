"""A process for each trial, with a stand-in for Optuna's trial; tests/frameworks has the real one."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

import foldwatch
from telemetry.errors import InputError
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


class StandInTrial:
    """Has of a trial what these objectives use."""

    number = 7

    def __init__(self) -> None:
        self.attributes: dict[str, str] = {}

    def suggest_int(self, name: str, low: int, *, high: int) -> int:
        """Return the highest, and raise for another name."""
        if name != "x":
            raise KeyError(name)
        return low + high

    def set_user_attr(self, name: str, text: str) -> None:
        """Keep it."""
        self.attributes[name] = text


def test_the_trial_answers_from_the_study_s_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Attributes, calls, their errors, and the output."""

    def objective(trial: Any) -> tuple[int, int, bool]:
        print("working", flush=True)
        with pytest.raises(KeyError):
            trial.suggest_int("y", 1, high=2)
        return trial.suggest_int("x", 1, high=2), trial.number, os.getppid() != parent

    parent = os.getpid()
    isolated = foldwatch.isolated_trials(objective, run_dir=tmp_path)
    assert isolated(StandInTrial()) == (3, 7, True)
    assert "trial 7 | working" in capfd.readouterr().err
    assert os.listdir(tmp_path) == ["trial-7"]


def test_a_death_is_a_typed_error_that_names_its_signal(tmp_path: Path) -> None:
    """The attributes of the trial have it as well."""

    def objective(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    trial = StandInTrial()
    with pytest.raises(foldwatch.TrialDiedError, match="trial 7: ended by SIGKILL") as caught:
        foldwatch.isolated_trials(objective, run_dir=tmp_path)(trial)
    assert trial.attributes["foldwatch_cause"] == caught.value.cause
    assert caught.value.run_dir == str(tmp_path / "trial-7")


def test_a_runner_that_cannot_start_says_why(tmp_path: Path) -> None:
    """As the command does."""
    (tmp_path / "trial-7").write_text("in the way")
    with pytest.raises(foldwatch.TrialDiedError, match="trial-7"):
        foldwatch.isolated_trials(len, run_dir=tmp_path)(StandInTrial())


def test_a_runner_that_is_refused_is_not_told_by_an_earlier_study(tmp_path: Path) -> None:
    """A directory that another runner holds, with a failure in it."""

    def objective(_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(foldwatch.TrialDiedError, match="ended by SIGKILL"):
        foldwatch.isolated_trials(objective, run_dir=tmp_path)(StandInTrial())
    with (
        RunDirectory(str(tmp_path / "trial-7")).locked(),
        pytest.raises(foldwatch.TrialDiedError) as caught,
    ):
        foldwatch.isolated_trials(objective, run_dir=tmp_path)(StandInTrial())
    assert "SIGKILL" not in str(caught.value)
    assert caught.value.cause == ""


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"memory": "lots"}, "'lots': not a size"),
        ({"cgroup_pids": 0}, "cgroup_pids=0"),
        ({"timeout": -1.0}, "timeout=-1"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_before_the_study(
    limit: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """Each trial would fail by it."""
    with pytest.raises(InputError, match=re.escape(told)):
        foldwatch.isolated_trials(len, run_dir=tmp_path, **limit)


def test_an_objective_that_cannot_be_sent_is_refused_before_the_study(tmp_path: Path) -> None:
    """With the reason."""
    held = sys._getframe()  # noqa: SLF001 - a frame cannot be pickled
    with pytest.raises(InputError, match="cannot be sent to another process"):
        foldwatch.isolated_trials(lambda _: held.f_lineno, run_dir=tmp_path)
