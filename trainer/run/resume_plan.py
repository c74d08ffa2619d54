"""Which folds of a run are run, and which earlier files are moved aside first.

With ``--resume-mode auto`` a fold is skipped if its result is whole and has the same configuration, data and
split; ``fresh`` runs every fold.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.journal.run_layout import (
    JOURNAL,
    OUTPUT,
    SUMMARY_CSV,
    SUMMARY_JSON,
    fold_name,
    fold_number,
)
from trainer.run.modality_file import modality_file_fold, modality_file_name

if TYPE_CHECKING:
    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Plan:
    """The folds to run, and a sentence for each fold that is skipped or was moved aside."""

    to_run: tuple[int, ...]
    skipped: tuple[int, ...]
    remarks: tuple[str, ...]
    data_digest: str | None = None
    """Of the data and its split, if it was asked for; results of other data are in no mean."""


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
    data and a split of this very ``data_digest`` if one is given; ``fresh`` skips none.
    """
    wanted = range(1, config.folds + 1) if only is None else (only,)
    to_run, skipped, remarks = [], [], []
    for fold in wanted:
        reason = (
            _reason_to_run(directory, fold, config, data_digest) if resume_mode == "auto" else ""
        )
        if reason is None:
            skipped.append(fold)
            remarks.append(f"fold {fold}: skipped (result already complete)")
            continue
        to_run.append(fold)
        if reason:
            remarks.append(f"fold {fold}: {reason}")
    names = [fold_name(fold) for fold in to_run]
    names += [modality_file_name(fold) for fold in to_run]
    if only is None and not skipped:
        names += [JOURNAL, OUTPUT, SUMMARY_JSON, SUMMARY_CSV]
        names += _other_folds(directory, config.folds)
    backup_dir = directory.set_aside(names)
    if backup_dir is not None:
        remarks.append(f"earlier results moved to {backup_dir}")
    return Plan(tuple(to_run), tuple(skipped), tuple(remarks), data_digest)


def _other_folds(directory: RunDirectory, folds: int) -> list[str]:
    """Return the folds of an earlier run that had more of them; they would be taken for this run's."""
    return [
        name
        for name in os.listdir(directory.path)
        if (fold_number(name) or modality_file_fold(name) or 0) > folds
    ]


def _reason_to_run(
    directory: RunDirectory, fold: int, config: Config, data_digest: str | None
) -> str | None:
    """Return why ``fold`` cannot be skipped, or None if it can."""
    result = directory.result(fold)
    if result is None:
        return "runs (no complete result)"
    if result.config_digest != config.digest():
        return "runs again (its result has another configuration)"
    if data_digest is not None and result.data_digest != data_digest:
        return "runs again (its result has other data or another split)"
    return None
