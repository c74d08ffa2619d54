"""`read_explained`: which lines allocated what a fold did not free, as ``foldwatch explain`` left it in the run."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.run_layout import EXPLAINED, EXPLAINED_JSON, JOURNAL, fold_name, fold_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_BYTES = 2**20
MOST_LINES = 100


class AllocatingLine(NamedTuple):
    """A line of the program, and what it had allocated in one fold that was not freed."""

    function: str
    line: str
    """``/path/train.py:212``."""
    bytes: int
    share: float
    """Of all that was not freed, 0 to 1."""
    library: str | None = None
    """The package whose function took it; None for the program's own or Python's."""


def read_explained(journal: str, folds: Sequence[int]) -> Sequence[AllocatingLine]:
    """Return the lines, the largest first, of the last of ``folds`` that was explained; none where none was.

    A file that cannot be read, or that nobody here wrote, counts as none: the growth is judged without it.
    """
    folder = os.path.dirname(journal)
    if os.path.basename(journal) != JOURNAL:
        return ()
    if fold_of(journal) is not None:
        folder = os.path.dirname(folder)
    for fold in sorted(folds, reverse=True):
        with suppress(OSError, ValueError):
            return _read(os.path.join(folder, EXPLAINED, fold_name(fold), EXPLAINED_JSON))
    return ()


def _read(path: str) -> Sequence[AllocatingLine]:
    with open_regular(path) as file:
        known = typed.fields_of(typed.load(file.read(LARGEST_BYTES)), _CHECKS)
    lines: Sequence[AllocatingLine] = known.get("held", ())[:MOST_LINES]
    return tuple(sorted(lines, key=lambda one: -one.bytes))


def _line(name: str, value: object) -> AllocatingLine:
    known = typed.fields_of(typed.mapping(name, value), _LINE_CHECKS)
    if missing := {"function", "line", "bytes", "share"} - known.keys():
        raise ValueError(f"a line without {', '.join(sorted(missing))}")
    return AllocatingLine(**known)


_LINE_CHECKS: Mapping[str, typed.Check] = {
    "function": typed.text,
    "line": typed.text,
    "bytes": typed.whole,
    "share": typed.number,
    "library": typed.text,
}
_CHECKS: Mapping[str, typed.Check] = {"held": typed.tuple_of(_line)}
