"""The line that a recording ends with: its verdict, and the command that says more."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress

from analyzer.groups import group_findings
from analyzer.pipeline import analyze
from analyzer.reports.headline import headline
from telemetry.journal.run_layout import find_journals

MOST_BYTES = 64 * 2**20
"""Of journals, read in a few seconds; a longer record is left to the command."""


def verdict_line(directory: str) -> tuple[str, bool]:
    """Judge a record that has just ended.

    Returns:
        Its verdict in one line, with the command that says more; and whether it is one to look at.
    """
    command = f"foldwatch analyze {shlex.quote(directory)}"
    journals = find_journals(directory, {}).get(directory, [])
    if sum(_size(path) for path in journals) > MOST_BYTES:
        return f"verdict: {command}", False
    try:
        analysis = analyze([directory])
        words = headline(analysis, group_findings(analysis))
    except Exception as error:  # noqa: BLE001 - whatever is in its files, the run has ended as it has
        return f"not judged: {error}; {command}", False
    return f"{words}; more: {command}", analysis.is_alarming


def _size(path: str) -> int:
    with suppress(OSError):
        return os.path.getsize(path)
    return 0
