"""The name of the file that the reference run writes for each fold: ``modality_results_run_N.csv``."""

from __future__ import annotations

import re

_FILE = re.compile(r"modality_results_run_(\d{1,9})\.csv")


def modality_file_name(fold: int) -> str:
    """Return the name of a fold's file inside the run's directory."""
    return f"modality_results_run_{fold}.csv"


def modality_file_fold(name: str) -> int | None:
    """Return the fold whose file has that name; None if it is no such file."""
    match = _FILE.fullmatch(name)
    return int(match[1]) if match else None
