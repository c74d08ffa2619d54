"""Anybody's command as the work of a fold.

Owns how a command line is filled in for a fold, and what its success leaves as a result. It must not
know how the command is run.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from trainer.fold_result import METRICS, FoldResult
from trainer.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.folds import CommandConfig, RunDirectory


def fill_in(command: Sequence[str], *, fold: int, folds: int) -> list[str]:
    """Replace ``{fold}`` and ``{folds}`` in every argument; other braces stay."""
    return [part.replace("{folds}", str(folds)).replace("{fold}", str(fold)) for part in command]


def check_command(config: CommandConfig) -> None:
    """See that the program is there. Raises InputError."""
    program = fill_in(config.command, fold=1, folds=config.folds)[0]
    if shutil.which(program) is None:
        raise InputError(f"run: no such program: {program}")


def command_work(config: CommandConfig) -> Work:
    """Return the work of running the command once for each fold."""

    def command(_directory: RunDirectory, fold: int) -> list[str]:
        return fill_in(config.command, fold=fold, folds=config.folds)

    def result(place: str, fold: int, seconds: float) -> FoldResult:
        return FoldResult(
            fold=fold,
            folds=config.folds,
            config_digest=config.digest(),
            metrics=read_metrics(os.path.join(place, METRICS)),
            seconds=seconds,
        )

    return Work(command=command, result=result)


def read_metrics(path: str) -> dict[str, float]:
    """Return the numbers that a command left; none where there is no such file or it is no such object."""
    try:
        with open(path, encoding="utf-8") as file:
            return {str(name): float(value) for name, value in json.load(file).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
