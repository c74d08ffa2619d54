"""The command that goes on with a run, as a person can paste it."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.journal.resume import LONGEST, resume_command


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            {"folds": 5, "command": ["python", "train.py", "--note", "a b", "{fold}"]},
            "run --resume-mode auto --output /runs/r --folds 5 -- python train.py --note 'a b' '{fold}'",
        ),
        (
            {
                "folds": 3,
                "epochs": 2,
                "device_mode": "cpu",
                "model": "m:f",
                "without": ["caps", "bounds"],
            },
            "train --resume-mode auto --output /runs/r m:f --folds 3 --epochs 2 --device-mode cpu --without caps,bounds",
        ),
        (
            {"folds": 3, "model": "m:f", "without": ()},
            "train --resume-mode auto --output /runs/r m:f --folds 3",
        ),
    ],
)
def test_it_is_the_command_with_its_directory(config: dict[str, Any], line: str) -> None:
    """Options first, so that those of the command stay its own."""
    assert resume_command("/runs/r", config) == f"foldwatch {line}"


def test_no_secret_is_in_it() -> None:
    """run.json holds none; what somebody has put there is masked here."""
    command = ["python", "t.py", "--api-key", "s3cretvalue1"]
    assert "s3cretvalue1" not in resume_command("/r", {"folds": 1, "command": command})


@pytest.mark.parametrize(
    "config", [{}, {"command": []}, {"command": 3, "model": 4}, {"command": ["x" * LONGEST]}]
)
def test_without_a_runner_or_too_long_there_is_none(config: dict[str, Any]) -> None:
    """Nothing that does not do it."""
    assert resume_command("/runs/r", config) == ""
