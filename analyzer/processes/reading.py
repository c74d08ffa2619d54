"""Reads inputs: their logs on every core, and what is made of them, which is loaded meanwhile."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from analyzer.logs.parallel import (
    STANDARD_INPUT,
    UnreadableInput,
    byte_ranges,
    processors,
    read_ranges,
)
from analyzer.logs.scan_options import PLAIN
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analyzer.logs.scan_options import ScanOptions
    from analyzer.logs.scan_result import ScanResult
    from analyzer.processes.from_log import Table
    from analyzer.processes.inputs import Input


def read_inputs(
    inputs: Sequence[Input],
    *,
    options: ScanOptions = PLAIN,
    progress: Callable[[int], None] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> list[Table]:
    """Read every input. Raises InputError where a named one cannot be read, or none of them can.

    One that a directory brought along and that cannot be read is a source with its reason. ``progress``
    is told now and then how many bytes of logs are read. ``meanwhile`` is called while other cores read.
    """
    wanted = [path for found in inputs for path in (*found.earlier, found.log) if path is not None]
    logs = _read_logs(wanted, options, progress, meanwhile)
    from analyzer.processes.tables import tables_of  # noqa: PLC0415 - the reading does not wait for it

    return tables_of(inputs, logs)


def _read_logs(
    paths: Sequence[str],
    options: ScanOptions,
    progress: Callable[[int], None] | None,
    meanwhile: Callable[[], object] | None,
) -> dict[str, list[ScanResult | UnreadableInput]]:
    """Read all logs, in stretches that keep every core busy; by path."""
    if STANDARD_INPUT in paths and sys.stdin is None:
        raise InputError("standard input is closed")
    # What is behind a cut may belong to a fold or an epoch that was named before it.
    workers = processors() if all(pattern.has_values for pattern in options.patterns) else 1
    found: dict[str, list[ScanResult | UnreadableInput]] = {}
    wanted = []
    for path in dict.fromkeys(paths):
        found[path] = []
        try:
            wanted += byte_ranges(path, workers=workers)
        except OSError as error:
            found[path].append(UnreadableInput(error))
    parts = read_ranges(
        wanted, workers=workers, options=options, progress=progress, meanwhile=meanwhile
    )
    for byte_range, part in zip(wanted, parts, strict=True):
        found[byte_range.path].append(part)
    return found
