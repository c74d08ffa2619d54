"""A job that runs any command once for each fold."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from trainer.run.job import Job

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

    return Job(command=command, caps=caps or {})
