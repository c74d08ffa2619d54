"""From what was read of inputs to their tables: of logs, of journals, and of both of one process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from analyzer.logs.label_budget import label_shares
from analyzer.logs.parallel import STANDARD_INPUT, UnreadableInput
from analyzer.processes.from_journal import note_black_box, read_journal
from analyzer.processes.from_log import Source, Table, rank_in, table_of
from analyzer.processes.process import Process
from telemetry.errors import InputError
from telemetry.journal.run_layout import outcome_in
from telemetry.journal.skipped_line import SkippedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer.logs.scan_result import ScanResult
    from analyzer.processes.inputs import Input
    from telemetry.journal.run_layout import FoldOutcome


def tables_of(
    inputs: Sequence[Input], logs: Mapping[str, Sequence[ScanResult | UnreadableInput]]
) -> list[Table]:
    """Make the tables of inputs, whose ``logs`` were read; see `analyzer.processes.reading.read_inputs`."""
    shares = label_shares([_size(found.journal) for found in inputs])
    tables, refused = [], []
    for found, labels in zip(inputs, shares, strict=True):
        try:
            tables.append(_table(found, logs, labels))
        except InputError as error:
            if found.is_named:
                raise
            refused.append(error)
            path = found.journal or found.log or found.failure or found.group
            reason = str(error).removeprefix(f"{path}: ")
            tables.append(Table([Source(path=path, skipped=[SkippedLine(0, reason)])], []))
    if refused and len(refused) == len(inputs):
        raise refused[0]
    return tables


def _size(journal: str | None) -> int:
    """Return the size of a journal in bytes; 0 where there is none."""
    try:
        return 0 if journal is None else os.path.getsize(journal)
    except OSError:  # the reading of it says why
        return 0


def _table(
    found: Input, logs: Mapping[str, Sequence[ScanResult | UnreadableInput]], labels: int
) -> Table:
    """Make the table of one input, with so many labels of a journal. Raises InputError where it cannot be read or holds no log.

    Beside a journal the log only says how it ended: its ``[THREADS]`` lines are the same readings.
    """
    if found.refused:
        raise InputError(f"{found.group}: {found.refused}")
    if found.failure is not None:
        outcome = outcome_in(os.path.dirname(found.failure))
        process = Process(source=found.failure, group=found.group, fold_outcome=outcome)
        return Table([Source(path=found.failure)], [process] if outcome else [])
    if found.journal is None:
        return _log_table(found, logs)
    try:
        table = read_journal(found.journal, group=found.group, labels=labels)
        is_told = found.log is not None and os.path.getsize(found.log) > 0
    except OSError as error:
        raise InputError(f"{error.filename or found.group}: {error.strerror}") from error
    for process in table.processes:
        note_black_box(process, found.journal)
    latest = {process.rank: process for process in table.processes}
    outcome = outcome_in(os.path.dirname(found.journal))
    _note_outcome(latest.values(), outcome)
    if is_told and found.log is not None:
        reported = _log_table(found, logs)
        table.sources.extend(reported.sources)
        if not table.processes:  # it ended before its first reading
            _note_outcome(reported.processes, outcome)
            return Table(table.sources, reported.processes)
        last = table.processes[-1]
        for other in {other.rank: other for other in reported.processes}.values():
            latest.get(rank_in(other.rank), last).take_matches(other)
    return table


def _note_outcome(processes: Iterable[Process], outcome: FoldOutcome | None) -> None:
    for process in processes:
        process.fold_outcome = outcome


def _log_table(found: Input, logs: Mapping[str, Sequence[ScanResult | UnreadableInput]]) -> Table:
    path = found.log or STANDARD_INPUT
    parts = []
    for part in (part for each in (*found.earlier, path) for part in logs[each]):
        if isinstance(part, UnreadableInput):
            where = part.error.filename or path
            raise InputError(f"{where}: {part.error.strerror}") from part.error
        parts.append(part)
    name = "<standard input>" if path == STANDARD_INPUT else path
    table = table_of(name, parts, group=found.group, has_journal=found.journal is not None)
    table.sources[0].earlier = found.earlier
    return table
