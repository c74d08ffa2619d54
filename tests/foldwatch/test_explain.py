"""`foldwatch explain`: a fold runs again, and the line is named that allocated what it holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.support.programs import run_foldwatch, run_python
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys, telemetry
telemetry.start(run_dir=sys.argv[1])
kept = []
def keep():
    kept.append(bytearray(8 << 20))
    kept.append([object() for _ in range(20_000)])
def drop():
    return len(bytearray(32 << 20))
for number in range(1, 4):
    with telemetry.fold(number, of=3):
        telemetry.checkpoint("START")
        drop()
        keep()
        telemetry.checkpoint("AFTER CLEANUP")
"""
WAITS = "import telemetry, time\ntelemetry.checkpoint('a')\nprint('waits', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give the directory of a run of PROGRAM, which is beside it."""
    script, directory = tmp_path / "leaks.py", tmp_path / "run"
    script.write_text(PROGRAM)
    outcome = run_python(str(script), str(directory))
    assert outcome.code == 0, outcome.err
    return directory


@pytest.mark.slow
def test_the_line_that_allocated_what_is_held_is_named(run: Path) -> None:
    """Not the one whose memory was freed; the run's own record stays as it is."""
    recorded = (run / "journal.jsonl").read_bytes()
    outcome = run_foldwatch("explain", str(run))
    assert outcome.code == 0, outcome.err
    told = json.loads((run / "explained" / "fold-2" / "explained.json").read_text())
    first, second = told["held"][:2]
    assert (first["function"], os.path.basename(first["line"])) == ("keep", "leaks.py:6")
    assert (second["function"], os.path.basename(second["line"])) == ("keep", "leaks.py:7")
    assert first["bytes"] >= 8 << 20
    assert second["allocations"] >= 20_000
    assert not any(row["function"] == "drop" for row in told["held"])
    assert "keep (leaks.py:6)" in outcome.out
    assert (run / "explained" / "fold-2" / "flamegraph.html").read_text().count("keep (leaks.py")
    assert (run / "journal.jsonl").read_bytes() == recorded
    assert sorted(os.listdir(run)) == ["explained", "journal.jsonl"]


@pytest.mark.slow
def test_a_stop_leaves_nothing_behind(run: Path, tmp_path: Path) -> None:
    """Neither files nor the program."""
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    command = [sys.executable, "-m", "foldwatch", "explain", str(run), "--", "python", str(script)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _says(run, "waits"), 60, "the program to run again")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    finally:
        process.kill()
    assert os.listdir(run) == ["journal.jsonl"]


def _says(run: Path, word: str) -> bool:
    outputs = run.glob(".explain-*/output.log")
    return any(word in path.read_text() for path in outputs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fold", "9"], "no labels of fold 9; there are folds 1, 2, 3"),
        (["--", "ls"], "not a Python program"),
        (["--", "python", "-c", "1"], "write it into a file"),
        (["--", "python"], "names no program"),
    ],
)
def test_what_cannot_be_run_again_is_told_in_one_line(
    run: Path, arguments: list[str], words: str
) -> None:
    """With what to do."""
    outcome = run_foldwatch("explain", str(run), *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.slow
def test_a_fold_with_a_process_of_its_own_is_run_again_alone(tmp_path: Path) -> None:
    """Between its first label and its last, whether they name the fold or not."""
    script, directory = tmp_path / "one.py", tmp_path / "run"
    script.write_text(
        "import sys, telemetry\ntelemetry.start()\ntelemetry.checkpoint('a')\n"
        "kept = bytearray(int(sys.argv[1]) << 23)\ntelemetry.checkpoint('b')\n"
    )
    command = ["--", sys.executable, str(script), "{fold}"]
    outcome = run_foldwatch("run", "--folds", "2", "--output", str(directory), *command)
    assert outcome.code == 0, outcome.err
    outcome = run_foldwatch("explain", str(directory), "--fold", "2")
    assert outcome.code == 0, outcome.err
    told = json.loads((directory / "explained" / "fold-2" / "explained.json").read_text())
    assert os.path.basename(told["held"][0]["line"]) == "one.py:4"
    assert told["held"][0]["bytes"] >= 2 << 23


def test_a_command_that_no_system_takes_is_told_in_one_line(run: Path) -> None:
    """A run.json is untrusted."""
    (run / "run.json").write_text('{"config": {"command": ["python", "\\u0000x.py"]}}')
    outcome = run_foldwatch("explain", str(run))
    assert outcome.code == 2
    assert "NUL" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.slow
def test_a_program_that_fails_is_told_by_its_last_line(run: Path, tmp_path: Path) -> None:
    """And its exit code."""
    script = tmp_path / "fails.py"
    script.write_text("raise ValueError('no data')")
    outcome = run_foldwatch("explain", str(run), "--", "python", str(script))
    assert outcome.code == 1
    assert "exit code 1) before" in outcome.err
    assert outcome.err.endswith("ValueError: no data\n")
    assert os.listdir(run) == ["journal.jsonl"]


def test_a_directory_without_labels_is_refused(tmp_path: Path) -> None:
    """Between what should it look?"""
    (tmp_path / "a.log").write_text("nothing\n")
    outcome = run_foldwatch("explain", str(tmp_path))
    assert outcome.code == 2
    assert "no labels are recorded" in outcome.err
