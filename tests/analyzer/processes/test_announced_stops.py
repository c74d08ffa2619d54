"""A stop that was announced, what the program says meanwhile, and the kill that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

EPOCHS = "".join(f"Epoch {n}/9 loss 0.{n}\n" for n in range(1, 5))
MEANWHILE = "Epoch 5/9 loss 0.4\nEpoch 6/9 loss 0.3\n"
SLURM = "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-01-14T11:02:40 DUE TO {} ***\n"
TIME_LIMIT = SLURM.format("TIME LIMIT")
KILLED = "srun: error: n1: task 0: Killed\n"


def of_log(tmp_path: Path, text: str) -> Analysis:
    path = tmp_path / "a.log"
    path.write_text(text)
    return analyze(path)


@pytest.mark.parametrize(
    ("announced", "kill"),
    [
        (TIME_LIMIT, KILLED),
        (TIME_LIMIT, "srun: error: n1: tasks 0-3: Terminated\n"),
        (TIME_LIMIT, "srun: error: n1: task 0: Exited with exit code 143\n"),
        (TIME_LIMIT, "srun: Force Terminated StepId=7.0\n"),
        (SLURM.format("PREEMPTION"), KILLED),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-14T11:02:40 ***\n", KILLED),
        ("2026-01-14 WARN received SIGTERM, finishing the epoch\n", "Killed\n"),
        (
            "2026-01-14 WARN received SIGTERM, finishing the epoch\n",
            "command terminated with exit code 137\n",
        ),
        ("=>> PBS: job killed: walltime 86432 exceeded limit 86400\n", "Killed\n"),
    ],
)
def test_the_kill_below_an_announced_stop_is_of_the_stop(
    tmp_path: Path, announced: str, kill: str
) -> None:
    """A program that catches SIGTERM trains on until SIGKILL."""
    analysis = of_log(tmp_path, EPOCHS + announced + MEANWHILE + kill)
    assert analysis.outcome == "stopped"
    (found,) = analysis.findings
    assert found.process.crash is not None
    assert found.process.crash.line == 5
    assert not found.process.recovered


@pytest.mark.parametrize(
    "text",
    [
        TIME_LIMIT + "SLURM_RESTART_COUNT=1\n" + MEANWHILE + KILLED,
        TIME_LIMIT + "n1$ python train.py\n" + MEANWHILE + KILLED,
        TIME_LIMIT + MEANWHILE + "n1$ python train.py\n" + MEANWHILE + KILLED,
        TIME_LIMIT + "".join(f"Epoch {n}/400 loss 0.{n}\n" for n in range(120)) + KILLED,
        "^C\n" + MEANWHILE + "Killed\n",
        TIME_LIMIT + MEANWHILE + "ERROR: the data set is empty\n",
        TIME_LIMIT
        + MEANWHILE
        + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n",
    ],
)
def test_a_failure_of_its_own_is_none_of_an_earlier_stop(tmp_path: Path, text: str) -> None:
    """Of another attempt, long after it, of a person's Ctrl-C, or with a reason of its own."""
    assert of_log(tmp_path, EPOCHS + text).outcome == "crashed"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("SIGHUP received, reopening the log\n" + MEANWHILE, "running"),
        (SLURM.format("PREEMPTION") + MEANWHILE + "Training complete!\n", "finished"),
    ],
)
def test_a_run_that_nobody_killed_went_on(tmp_path: Path, text: str, outcome: str) -> None:
    """However often it was asked to stop."""
    assert of_log(tmp_path, EPOCHS + text).outcome == outcome
