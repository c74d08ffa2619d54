"""A job that runs any command once for each fold; its result holds the numbers in its metrics.json."""

from __future__ import annotations

import json
import math
import os
import shutil
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.run_layout import LARGEST_BYTES, METRICS
from trainer.run.fold_result import FoldResult
from trainer.run.job import Job
from trainer.run.warning import warn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.run.config import CommandConfig
    from trainer.run.directory import RunDirectory


def fill_in(command: Sequence[str], *, fold: int, folds: int) -> list[str]:
    """Replace ``{fold}`` and ``{folds}`` in every argument; other braces stay."""
    return [part.replace("{folds}", str(folds)).replace("{fold}", str(fold)) for part in command]


def check_command(config: CommandConfig) -> None:
    """Check that the program exists. Raises InputError."""
    program = fill_in(config.command, fold=1, folds=config.folds)[0]
    if shutil.which(program) is not None:
        return
    if os.path.isfile(program) and os.sep in program:
        raise InputError(
            f"run: {program} is not executable; chmod +x, or name what runs it: python {program}"
        )
    parts = program.split()
    if len(parts) > 1 and len(config.command) == 1 and shutil.which(parts[0]):
        raise InputError(f"run: no such program: {program!r}; write it without the quotes")
    raise InputError(f"run: no such program: {program}")


def command_job(config: CommandConfig, *, caps: Mapping[str, str] | None = None) -> Job:
    """Return the job that runs the command once for each fold, its environment as it is but for ``caps``."""

    def command(_directory: RunDirectory, fold: int) -> list[str]:
        return fill_in(config.command, fold=fold, folds=config.folds)

    def result(fold_dir: str, fold: int, seconds: float) -> FoldResult:
        return FoldResult(
            fold=fold,
            folds=config.folds,
            config_digest=config.digest(),
            metrics=read_metrics(os.path.join(fold_dir, METRICS)),
            seconds=seconds,
        )

    return Job(command=command, result=result, caps=caps or {})


def read_metrics(path: str) -> dict[str, float]:
    """Return the numbers in a command's metrics.json, none without one; report anything else in it."""
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(LARGEST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        return _ignored(path, f"cannot be read: {error}")
    if not isinstance(content, dict):
        return _ignored(path, "not an object of numbers, ignored")
    metrics, others = {}, []
    for key, value in content.items():
        name = typed.text(path, key)
        try:
            metrics[name] = _metric(name, value)
        except ValueError:
            others.append(name)
    if others:
        _ignored(path, f"not numbers, ignored: {', '.join(others)}")
    return metrics


def _metric(name: str, value: object) -> float:
    if type(value) is float and not math.isfinite(value):
        return value  # the summary tells of it
    return typed.finite(name, value)


def _ignored(path: str, reason: str) -> dict[str, float]:
    warn(f"{path}: {reason}")
    return {}
