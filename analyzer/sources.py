"""From the paths that a user names to the files that are read.

Owns what a run directory, a directory of logs and a lone file are. It must not know what they hold.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.log_table import Table, read_journal, read_log
from telemetry.errors import InputError
from telemetry.journal import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STANDARD_INPUT = "-"
OUTPUT_LOG = "output.log"
LOG_SUFFIXES = (".log", ".txt", ".out", ".err")


@dataclass(frozen=True, slots=True)
class Input:
    """A journal, a log, or both of one process; ``group`` is the run that they belong to."""

    group: str
    journal: str | None = None
    log: str | None = None


def find_inputs(paths: Iterable[str]) -> list[Input]:
    """Find what to read. Raises InputError for a path with nothing to read."""
    return [found for path in paths for found in _inputs(path)]


def _inputs(path: str) -> list[Input]:
    if path == STANDARD_INPUT:
        return [Input(path, log=path)]
    if os.path.isdir(path):
        found = list(_directory_inputs(path))
        if not found:
            raise InputError(
                f"{path}: no {FILE_NAME} and no *{', *'.join(LOG_SUFFIXES)} in this directory"
            )
        return found
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or directory")
    if not os.path.isfile(path):
        raise InputError(f"{path}: neither a file nor a directory")
    if path.endswith(".jsonl"):
        return [Input(path, journal=path)]
    return [Input(path, log=path)]


def _directory_inputs(top: str) -> Iterator[Input]:
    for folder, subfolders, names in os.walk(top):
        subfolders.sort(key=_by_number)
        journal = os.path.join(folder, FILE_NAME) if FILE_NAME in names else None
        if journal is not None:
            log = os.path.join(folder, OUTPUT_LOG) if OUTPUT_LOG in names else None
            yield Input(top, journal, log)
        for name in sorted(names):
            if name.endswith(LOG_SUFFIXES) and not (journal and name == OUTPUT_LOG):
                yield Input(os.path.join(folder, name), log=os.path.join(folder, name))


def _by_number(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)


def read_input(found: Input) -> Table:
    """Read the files of one input. Raises InputError where one cannot be read or holds no log.

    Beside a journal the log only says how it ended: its ``[THREADS]`` lines are the same readings.
    """
    try:
        if found.journal is None:
            return _read_log_file(found.log or STANDARD_INPUT, found.group)
        table = read_journal(found.journal, group=found.group)
        if found.log is not None and os.path.getsize(found.log):
            told = _read_log_file(found.log, found.group)
            table.sources.extend(told.sources)
            for process in table.processes[-1:]:
                signs = [sign for other in told.processes for sign in other.signs.values()]
                process.signs = {sign.signature: sign for sign in signs} | process.signs
    except OSError as error:
        raise InputError(f"{error.filename or found.group}: {error.strerror}") from error
    return table


def _read_log_file(path: str, group: str) -> Table:
    if path == STANDARD_INPUT:
        return read_log("<standard input>", sys.stdin.buffer, group=group)
    with open(path, "rb") as stream:
        return read_log(path, stream, group=group)
