"""What a run is: its configuration, its directory, and which of its folds are to do.

Owns run.json, the layout of a run directory, and what ``--resume-mode`` does to one. Nothing is ever
deleted: what a run replaces is moved into ``previous-N/``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory

_OF_A_FOLD = re.compile(r"(?:fold-|modality_results_run_)(\d{1,9})(?:\.csv)?")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and a sentence for each fold that is not run or was moved aside."""

    to_run: tuple[int, ...]
    skipped: tuple[int, ...]
    remarks: tuple[str, ...]
    data_digest: str | None = None
    """Of the data and its split, where it was asked for; other results are in no mean."""


def plan(
    directory: RunDirectory,
    config: Config,
    *,
    only: int | None,
    resume_mode: str,
    data_digest: str | None = None,
) -> Plan:
    """Decide which folds to run and set aside what they would overwrite.

    ``auto`` skips a fold whose result is whole and was made with this very configuration, and with
    data and a split of this very ``data_digest`` where one is given; ``fresh`` skips none.
    """
    wanted = range(1, config.folds + 1) if only is None else (only,)
    to_run, skipped, remarks = [], [], []
    for fold in wanted:
        why = _why_to_run(directory, fold, config, data_digest) if resume_mode == "auto" else ""
        if why is None:
            skipped.append(fold)
            remarks.append(f"fold {fold}: skipped, its result is whole")
            continue
        to_run.append(fold)
        if why:
            remarks.append(f"fold {fold}: {why}")
    names = [f"fold-{fold}" for fold in to_run]
    names += [f"modality_results_run_{fold}.csv" for fold in to_run]
    if only is None and not skipped:
        names += ["journal.jsonl", "output.log", "summary.json", "summary.csv"]
        names += _other_folds(directory, config.folds)
    aside = directory.set_aside(names)
    if aside is not None:
        remarks.append(f"earlier results moved to {aside}")
    return Plan(tuple(to_run), tuple(skipped), tuple(remarks), data_digest)


def _other_folds(directory: RunDirectory, folds: int) -> list[str]:
    """Folds of an earlier run with more of them; they would be taken for this run's."""
    return [
        name
        for name in os.listdir(directory.path)
        if (match := _OF_A_FOLD.fullmatch(name)) and int(match[1]) > folds
    ]


def _why_to_run(
    directory: RunDirectory, fold: int, config: Config, data_digest: str | None
) -> str | None:
    """Return why ``fold`` cannot be skipped, or None where it can."""
    result = directory.result(fold)
    if result is None:
        return "runs, there is no whole result of it"
    if result.config_digest != config.digest():
        return "runs again, its result is of another configuration"
    if data_digest is not None and result.data_digest != data_digest:
        return "runs again, its result is of other data or another split"
    return None
