"""`StallWatch`: has the stacks of a fold's processes written, once, when it has stalled.

`telemetry.progress` says when: by the records of the fold's journal, and what its stages took in other folds of the run.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import islice
from typing import IO, TYPE_CHECKING

from telemetry.journal.atomic_write import open_regular, replacing
from telemetry.journal.records import Event, decode
from telemetry.journal.run_layout import RunLayout
from telemetry.journal.stall_record import EVENT
from telemetry.progress import FLOOR_SECONDS, StageProgress
from telemetry.reading import Reading
from trainer.process.stalled_tree import StalledTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from telemetry.journal.records import Record
    from trainer.run.warning import FileErrors

VARIABLE = "FOLDWATCH_STACKS"
"""``off`` in the environment of a fold: it is never stopped, and what the kernel says is written alone."""
STACKS = "stalled-stacks.txt"
MOST_STALLS = 10
"""Of one process, at which it is looked."""
MOST_JOURNALS, MOST_BYTES = 5, 8 * 2**20
"""Of other folds: the last ones to be written, and of each the begin."""
_CHECKPOINT = b'"kind":"checkpoint"'


class StallWatch:
    """Follows the records of one fold's process, and looks at it and at what descends from it.

    Invariant: one look at each stall. Of each process that is looked at there is an event once the first one was, and a last
    one at the end.
    """

    def __init__(
        self,
        write: Callable[[Event], None],
        fold_dir: str,
        errors: FileErrors,
        environment: Mapping[str, str],
    ) -> None:
        """Take where events go, where the file goes, who tells of errors, and the environment of the fold's process."""
        self._write, self._fold_dir, self._errors = write, fold_dir, errors
        self._stops = environment.get(VARIABLE) != "off"
        self._folds: dict[int | None, StageProgress] = {}
        self._fold: int | None = None
        self._others: list[StageProgress] | None = None
        self._pid = 0
        self._has_looked, self._looks = False, 0
        self._tree: StalledTree | None = None

    def note_process(self, reading: Reading | None) -> None:
        """Take whom the supervisor itself reads: a journal may name any process."""
        self._pid = self._pid if reading is None else reading.pid

    def take(self, record: Record) -> None:
        """Take the next record of the journal; never waits."""
        if not isinstance(record, Reading):
            return
        self._fold = record.fold or self._fold
        progress = self._folds.pop(self._fold, StageProgress()).after(record)
        self._folds[self._fold] = progress  # the present one last
        self._has_looked &= progress.quiet_seconds > 0
        if len(self._folds) > MOST_JOURNALS + 1:
            del self._folds[next(iter(self._folds))]

    def files(self) -> Iterator[IO[bytes]]:
        """Yield what becomes readable when a look has ended."""
        if self._tree is not None:
            yield from self._tree.files()

    def poll(self, *, is_last: bool = False) -> None:
        """Begin a look, go on with it, or record what it has found; never waits, but where this ``is_last``: then it ends it."""
        if self._tree is None and not is_last and self._is_due():
            self._has_looked, self._looks = True, self._looks + 1
            self._tree = StalledTree(self._pid, stops=self._stops)
        tree = self._tree
        if tree is None:
            return
        if has_ended := tree.has_ended(gives_up=is_last):
            self._tree = None
        # An alert does not wait until every process was looked at.
        if not is_last and (has_ended or tree.has_first()):
            self._tell(tree)

    def _is_due(self) -> bool:
        progress = self._folds.get(self._fold)
        if progress is None or self._has_looked or self._looks >= MOST_STALLS or not self._pid:
            return False
        if progress.quiet_seconds <= FLOOR_SECONDS:
            return False
        if self._others is None:
            self._others = list(_of_other_folds(self._fold_dir))
        return progress.quiet_seconds > progress.stalls_after(
            [*self._folds.values(), *self._others]
        )

    def _tell(self, tree: StalledTree) -> None:
        """Write the file, and an event for each process."""
        path = os.path.join(self._fold_dir, STACKS)
        is_written = self._errors.value(lambda: _write_whole(path, tree.text()), STACKS)
        for pid, stall in tree.stalls(STACKS if is_written else ""):
            self._write(Event(time=time.time(), pid=pid, name=EVENT, facts=stall.facts()))


def _write_whole(path: str, text: str) -> bool:
    with replacing(path) as aside, open(aside, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _of_other_folds(fold_dir: str) -> Iterator[StageProgress]:
    """Give how the folds got on that were written beside this one, the last ones first."""
    layout = RunLayout(os.path.dirname(os.path.abspath(fold_dir)))
    own = RunLayout(os.path.abspath(fold_dir)).journal()
    paths = [layout.journal(fold) for fold in layout.folds_written()]
    written = sorted((_written_at(path), path) for path in paths if path != own)
    for _, path in islice(reversed(written), MOST_JOURNALS):
        with suppress(OSError):
            yield StageProgress.by_labels(_labelled(path))


def _labelled(path: str) -> Iterable[Reading]:
    """Give the first reading and the labelled ones at the begin of a journal. Raises OSError."""
    with open_regular(path) as file:
        lines = file.read(MOST_BYTES).split(b"\n")[:-1]
    is_first = True
    for line in lines:
        if is_first or _CHECKPOINT in line[:200]:
            with suppress(ValueError):
                record = decode(line)
                if isinstance(record, Reading):
                    is_first = False
                    yield record


def _written_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
