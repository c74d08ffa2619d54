"""From the paths that a user names to the files to read: run directories, directories of logs, files."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.parallel import STANDARD_INPUT
from telemetry.errors import InputError
from telemetry.journal.atomic_write import is_regular
from telemetry.journal.run_layout import (
    CONFIG,
    FAILURE,
    JOURNAL,
    OUTPUT,
    fold_number,
    is_set_aside,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOG_NAME = re.compile(
    r"(?P<log>.*\.(?:log|txt|out|err))(?:[.-](?P<mark>\d{1,14}(?:-\d{6})?))?(?:\.(?:gz|bz2|xz|zst))?",
    re.DOTALL | re.IGNORECASE,
)
"""Also what logrotate and the kubelet make of one: ``a.log.1``, ``0.log.20261124-120000.gz``."""
_FOLD_NAME = re.compile(r"(?:.*fold[-_ ]?)?\d{1,6}", re.IGNORECASE)
MOST_INPUTS = 10_000
"""Of one directory; of more the latest are read."""
_DATE_DIGITS = 8
"""Of a mark, at least; a shorter one counts rotations."""


class Input(NamedTuple):
    """A journal, a log, or both of one process; ``group`` is the run that they belong to."""

    group: str
    journal: str | None = None
    log: str | None = None
    failure: str | None = None
    """What the runner wrote of a fold that has neither, for it never began."""
    earlier: tuple[str, ...] = ()
    """What was rotated away of the log, the oldest first."""
    is_named: bool = True
    """Whether the user named this very file; one found in a directory may be empty or broken."""
    refused: str = ""
    """Why nothing of it is read."""


def find_inputs(paths: Iterable[str]) -> list[Input]:
    """Find what to read. Raises InputError for a path with nothing to read."""
    return _with_rotated([found for path in paths for found in _inputs(path)])


def _with_rotated(inputs: Iterable[Input]) -> list[Input]:
    """Put what was rotated away in front of the log that it is the beginning of, where that is there."""
    lone = {found.log: found for found in inputs if found.log and not found.journal}
    earlier: dict[str, list[tuple[tuple[bool, int], str]]] = defaultdict(list)
    for path in lone:
        name = _LOG_NAME.fullmatch(path)
        if name and name["mark"] and name["log"] in lone:
            earlier[name["log"]].append((_age(name["mark"]), path))
    rotated = {path for paths in earlier.values() for _, path in paths}
    return [
        found._replace(earlier=tuple(path for _, path in sorted(earlier[found.log])))
        if found.log in earlier and not found.journal
        else found
        for found in inputs
        if found.log not in rotated or found.journal
    ]


def _age(mark: str) -> tuple[bool, int]:
    """Return what sorts marks from the oldest on: counts fall, dates rise."""
    digits = mark.replace("-", "")
    return (True, int(digits)) if len(digits) >= _DATE_DIGITS else (False, -int(digits))


def _inputs(path: str) -> list[Input]:
    if path == STANDARD_INPUT:
        return [Input(path, log=path)]
    if os.path.isdir(path):
        found = list(_directory_inputs(path))
        if not found:
            raise InputError(
                f"{path}: no {JOURNAL} and no *.log, *.txt, *.out, *.err in this directory"
            )
        return found if len(found) <= MOST_INPUTS else _latest(found, path)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{path}: neither a file nor a directory")
    if path.endswith(".jsonl"):
        return [Input(path, journal=path)]
    return [Input(path, log=path)]


def _latest(found: list[Input], path: str) -> list[Input]:
    """Return the MOST_INPUTS that were written to last, in their order, and how many there are beside them."""
    ranked = sorted(range(len(found)), key=lambda place: _changed(found[place]), reverse=True)
    kept = [found[place] for place in sorted(ranked[:MOST_INPUTS])]
    older = f"{len(found) - len(kept):,} older files in it are not read: at most {MOST_INPUTS:,} at once"
    return [*kept, Input(path, is_named=False, refused=older)]


def _changed(found: Input) -> float:
    try:
        return os.stat(found.journal or found.log or found.failure or found.group).st_mtime
    except OSError:
        return 0.0


def _directory_inputs(top: str) -> Iterator[Input]:
    """Walk a directory; what a run has set aside in ``previous-N`` is not of that run any more."""
    groups: dict[str, str] = {}
    for folder, subfolders, names in os.walk(top, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not is_set_aside(name)]
        subfolders.sort(key=_by_number)
        # As for the daemon: what has a journal of its own is a run, unless it is named as a fold of one.
        is_run = CONFIG in names or (
            JOURNAL in names and not _FOLD_NAME.fullmatch(os.path.basename(folder))
        )
        group = groups[folder] = folder if is_run else groups.get(os.path.dirname(folder), top)
        regular = [name for name in names if os.path.isfile(os.path.join(folder, name))]
        journal = os.path.join(folder, JOURNAL) if JOURNAL in regular else None
        if journal is not None:
            output = os.path.join(folder, OUTPUT)
            log = output if OUTPUT in regular and _is_on_disk(output) else None
            yield Input(group, journal, log, is_named=False)
        elif FAILURE in regular and fold_number(os.path.basename(folder)) is not None:
            yield Input(group, failure=os.path.join(folder, FAILURE), is_named=False)
        for name in sorted(regular):
            if _LOG_NAME.fullmatch(name) and not (journal and name == OUTPUT):
                path = os.path.join(folder, name)
                refused = "" if _is_on_disk(path) else "a file of the kernel, not a log"
                yield Input(path, log=None if refused else path, is_named=False, refused=refused)


def _is_on_disk(path: str) -> bool:
    """Whether no read of a file waits, as of /proc/kmsg, which calls itself regular."""
    try:
        return is_regular(path)
    except OSError:  # it is gone by now
        return True


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: {error.strerror}")


def _by_number(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :][:18] or 0)
