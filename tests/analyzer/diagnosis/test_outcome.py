"""How a run ended, and what says so, of every kind of record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.groups import group_findings
from analyzer.reports.headline import headline, root_cause_line
from telemetry.journal.records import Event
from tests.support.builders import exited, reading, write_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analyzer import Analysis
    from telemetry.journal.records import Record
    from tests.support.programs import CommandOutcome

FOLD = "[THREADS] Fold {}/3 {}: proc=8, cgroup=20/7680, maps=900/65530, rss=700MB\n"
TRACEBACK = """\
Traceback (most recent call last):
  File "/home/a/train.py", line 61, in main
    scores = evaluate(model)
  File "/usr/lib/python3.11/site-packages/lib/metrics.py", line 9, in evaluate
    raise KeyError(name)
{}
"""
NAME_ERROR = TRACEBACK.format("NameError: name 'F' is not defined")
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
EPOCHS = "".join(f"Epoch {n}/9 loss 0.{n}\n" for n in range(1, 5))


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (EPOCHS, "running"),
        (EPOCHS + "Training complete!\n", "finished"),
        (EPOCHS + NAME_ERROR, "crashed"),
        (FOLD.format(1, "START") + NAME_ERROR, "crashed"),
        ("".join(FOLD.format(n, "END") for n in (1, 2, 3)) + NAME_ERROR, "crashed"),
        (EPOCHS + TRACEBACK.format("KeyboardInterrupt"), "stopped"),
        (EPOCHS + "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01 ***\n", "stopped"),
        (EPOCHS + "srun: error: n1: task 0: Exited with exit code 1\n", "crashed"),
        (EPOCHS + "ERROR: the data set is empty\n", "crashed"),
        (EPOCHS + NAME_ERROR + EPOCHS, "running"),
        (EPOCHS + OOM + EPOCHS + "Training complete!\n", "finished"),
        ("".join(FOLD.format(n, "END") for n in (1, 2, 3)), "finished"),
    ],
)
def test_a_log_says_how_it_ended(tmp_path: Path, text: str, outcome: str) -> None:
    """By its last words; what it survived is no end."""
    analysis = of_log(tmp_path, text)
    assert analysis.outcome == outcome
    assert analysis.is_alarming == (outcome in {"crashed", "stopped"})


def test_an_exception_is_told_with_the_user_s_own_frame(tmp_path: Path) -> None:
    """Not the library's, and as no limit."""
    analysis = of_log(tmp_path, EPOCHS + NAME_ERROR)
    crash = analysis.findings[0].process.crash
    assert crash is not None
    assert (crash.line, crash.details["frame"]) == (10, "train.py:61 in main")
    parts = group_findings(analysis)
    assert "NameError: name 'F' is not defined" in headline(analysis, parts)
    assert "not a resource limit" in root_cause_line(analysis, parts)


def test_the_exception_that_it_was_raised_from_is_told(tmp_path: Path) -> None:
    """The last one of a chain is the root, and names the one before it."""
    chain = "\nThe above exception was the direct cause of the following exception:\n\n"
    text = NAME_ERROR + chain + TRACEBACK.format("RuntimeError: fold 2 failed")
    crash = of_log(tmp_path, text).findings[0].process.crash
    assert crash is not None
    assert crash.text == "RuntimeError: fold 2 failed"
    assert crash.details["raised_from"] == "NameError: name 'F' is not defined"


def test_the_last_of_several_attempts_is_judged(tmp_path: Path) -> None:
    """As nohup.out holds them, one below the other; the earlier ones are told as survived."""
    command = "$ python train.py --batch-size {}\n"
    attempt = command.format(64) + EPOCHS + OOM + command.format(8) + EPOCHS
    analysis = of_log(tmp_path, attempt + "Training complete!\n")
    assert analysis.outcome == "finished"
    assert "torch_cuda_oom" in analysis.findings[0].process.recovered
    assert of_log(tmp_path, attempt + OOM).outcome == "crashed"


def test_a_rank_that_died_is_not_survived_by_another(tmp_path: Path) -> None:
    """Who goes on is somebody else."""
    ranks = [f"[rank{rank}]: Epoch {n}/9 loss 0.1\n" for n in range(4) for rank in (0, 1)]
    died = "".join(f"[rank1]: {line}\n" for line in NAME_ERROR.splitlines())
    others = "".join(line for line in ranks if line.startswith("[rank0]"))
    assert of_log(tmp_path, "".join(ranks) + died + others).outcome == "crashed"
    assert of_log(tmp_path, "".join(ranks) + died + "".join(ranks)).outcome == "running"


def test_a_run_s_own_record_says_how_it_ended(tmp_path: Path) -> None:
    """An exit event, an exception that the process recorded, a whole result."""
    start, raised = reading(2, 1.0), {"exception": "KeyError", "message": "'a'", "frame": "t.py:9"}
    records: dict[str, list[Record]] = {
        "running": [start],
        "finished": [start, exited(2.0, exit_code=0)],
        "crashed": [start, exited(2.0)],
        "stopped": [start, exited(2.0, exit_code=143, signal="SIGTERM", by_runner=True)],
    }
    for outcome, written in records.items():
        assert analyze(write_journal(tmp_path / outcome, *written)).outcome == outcome
    event = Event(time=2.0, pid=7, name="raised", facts=raised)
    (found,) = analyze(write_journal(tmp_path / "raised", start, event)).findings
    assert found.ending is not None
    assert (found.ending.outcome, found.ending.reason) == ("crashed", "KeyError: 'a'")
    went_on = write_journal(tmp_path / "went-on", start, event, reading(2, 3.0, stage="END"))
    assert analyze(went_on).outcome == "running"
    write_journal(tmp_path / "done" / "fold-2", *records["stopped"])
    (tmp_path / "done" / "fold-2" / "result.json").write_text(json.dumps({}))
    assert analyze(tmp_path / "done").outcome == "finished"


@pytest.mark.parametrize(
    ("text", "code", "required"),
    [
        (EPOCHS, 0, 2),
        (EPOCHS + "Training complete!\n", 0, 2),
        (EPOCHS + NAME_ERROR, 3, 3),
        (FOLD.format(1, "START"), 0, 0),
    ],
)
def test_exit_codes_follow_from_it(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path, text: str, code: int, required: int
) -> None:
    """And a check that asks for a verdict does not pass on an empty log."""
    path = tmp_path / "a.log"
    path.write_text(text)
    assert foldwatch("analyze", str(path)).code == code
    assert foldwatch("analyze", str(path), "--require-verdict").code == required
    assert foldwatch("analyze", str(path), "--exit-zero").code == 0


@pytest.mark.parametrize(
    "end", ["^C", "^C\n", "^C\r\n", "^CTraceback (most recent call last):\n", "^C^C\n"]
)
@pytest.mark.parametrize("prefix", ["", "[rank0]: "])
def test_the_echo_of_ctrl_c_stopped_the_run(tmp_path: Path, prefix: str, end: str) -> None:
    """Alone at the end of the file, in front of what Python writes, and pressed twice."""
    (tmp_path / "a.log").write_text(f"{prefix}Epoch 1/9 loss 0.4\n{prefix}{end}", newline="")
    (finding,) = analyze(tmp_path / "a.log").findings
    assert finding.ending is not None
    assert finding.ending.outcome == "stopped"
