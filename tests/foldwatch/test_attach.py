"""``foldwatch attach``: what it says at its start and its end, and its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.support.processes import tells_endings_of_others
from tests.support.programs import call_foldwatch
from tests.support.requirements import need
from tests.support.trainings import Training, records
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    one = Training(tmp_path / "train.log")
    yield one
    one.end()


def start(training: Training, run: Path, *options: str) -> subprocess.Popen[str]:
    """Attach, and return once a reading is in the journal."""
    command = [sys.executable, "-m", "foldwatch", "attach", str(training.pid), "--output", str(run)]
    process = subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=os.environ | {"FOLDWATCH_QUIET": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = run / "journal.jsonl"
    wait_until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2, 60, "a reading")
    return process


@pytest.mark.slow
def test_a_death_is_named_and_told_by_the_exit_code(training: Training, tmp_path: Path) -> None:
    """The first line says where, the last one what, and what to do next."""
    need(tells_endings_of_others(), "Linux 6.15, which tells it to others")
    run = tmp_path / "run"
    process = start(training, run, "--checkpoint-pattern", r"epoch (?P<epoch>\d+)")
    training.say("epoch 1")
    wait_until(lambda: "epoch 1" in (run / "journal.jsonl").read_text(), 60, "a label")
    training.process.kill()
    training.process.wait()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out.startswith("CRASHED")
    assert out.endswith(f"more: foldwatch analyze {run}\n")
    first, last = err.splitlines()[0], err.splitlines()[-1]
    assert f"recording process {training.pid} (" in first
    assert f"{run}/journal.jsonl, with labels from {training.log}" in first
    assert f"process {training.pid} (" in last
    assert last.endswith("was ended by SIGKILL")


@pytest.mark.slow
def test_ctrl_c_ends_the_record_alone(training: Training, tmp_path: Path) -> None:
    """And says so."""
    process = start(training, tmp_path / "run")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "runs on, and is recorded no more" in err
    assert training.process.poll() is None
    assert records(tmp_path / "run")[-1]["name"] == "detached"


@pytest.mark.slow
def test_one_record_has_one_writer(training: Training, tmp_path: Path) -> None:
    """A second one is refused, and is told who the first is."""
    first = start(training, tmp_path / "run")
    outcome = call_foldwatch("attach", str(training.pid), "--output", str(tmp_path / "run"))
    assert outcome.code == 2
    assert f"another run is writing here: foldwatch (pid {first.pid})" in outcome.err
    first.terminate()
    first.communicate(timeout=60)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name one process: by PID, --name REGEX or --cgroup PATH"),
        (("1", "--name", "x"), "name one process"),
        (("4194305",), "process 4194305: there is none"),
        (("--name", "("), "--name '('"),
        (("{pid}", "--checkpoint-pattern", r"fold (?P<fold>\d+)"), "add --folds N"),
        (("{pid}", "--log", "{place}/none.log"), "none.log: no such file; name the log that"),
        (("{pid}", "--log", "{place}"), ": not a regular file; name the log that"),
    ],
)
def test_what_is_asked_for_in_vain_is_one_line(
    arguments: tuple[str, ...], told: str, training: Training, tmp_path: Path
) -> None:
    """And nothing is written."""
    given = [one.replace("{pid}", str(training.pid)) for one in arguments]
    given = [one.replace("{place}", str(tmp_path)) for one in given]
    outcome = call_foldwatch("attach", *given, "--output", str(tmp_path / "run"))
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert not os.path.exists(tmp_path / "run")
