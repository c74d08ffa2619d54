"""`RunMember`: the folds of a run that one host and rank writes of, as their records say how they fare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.daemon.history import History
from telemetry.journal.run_layout import MOST_FOLDS, RunLayout
from telemetry.snapshot import FoldSnapshot, FoldState

if TYPE_CHECKING:
    from telemetry.journal.records import Event
    from telemetry.reading import Reading

ABANDONED_SECONDS = 3600.0
"""A process without a record for so long counts as ended."""
FOLDS_KEPT = 1000


class RunMember:
    """The folds of a run that one host and rank writes of."""

    def __init__(self) -> None:
        self.folds: dict[int | None, FoldSnapshot] = {}
        self.history = History()
        self.planned: int | None = None
        self._fold_of: dict[int, int | None] = {}
        """By PID, the fold of its last reading."""
        self._raised: set[int] = set()
        """By PID, those whose last record but their end is an exception."""

    @property
    def fold_count(self) -> int | None:
        """How many are planned, by run.json, else by the labels."""
        if self.planned is not None:
            return self.planned
        named = (
            fold_snapshot.latest.folds
            for fold_snapshot in self.folds.values()
            if fold_snapshot.latest is not None
        )
        return max(filter(None, named), default=None)

    def take(self, reading: Reading, fold: int | None) -> None:
        """Take a reading: its fold runs, and the one that its process ran before does no more."""
        if fold not in self.folds and len(self.folds) >= FOLDS_KEPT:
            self._make_place()
        before = self._fold_of.get(reading.pid, fold)
        if before != fold and before in self.folds:
            state = None if before is None else FoldState.FINISHED
            self._change(before, state=state, ended_at=reading.time)
        self._fold_of[reading.pid] = fold
        self._raised.discard(reading.pid)
        fold_snapshot = self.folds.get(fold) or FoldSnapshot(fold=fold)
        self.folds[fold] = fold_snapshot.with_record(reading)
        if fold_snapshot.state is not FoldState.RUNNING or fold_snapshot.ended_at is not None:
            state = None if fold is None else FoldState.RUNNING
            self._change(fold, state=state, ended_at=None, exit_code=None, seconds=None)
        self.history.add(fold, reading)

    def _make_place(self) -> None:
        """Give up the fold that is wanted least: one that waits, else the one that ended or was read first."""

        def wanted(fold: int | None) -> tuple[bool, bool, float]:
            one = self.folds[fold]
            latest = one.latest.time if one.latest else 0.0
            return one.state is not FoldState.WAITING, one.ended_at is None, one.ended_at or latest

        fold = min(self.folds, key=wanted)
        del self.folds[fold]
        self.history.forget(fold)
        self._fold_of = {pid: one for pid, one in self._fold_of.items() if one != fold}

    def take_event(self, event: Event) -> None:
        """Take a record of how a process ended: its runner's, or its own, which knows no exit status."""
        if event.pid not in self._fold_of:
            return
        if event.name in {"raised", "interpreter_ended"}:
            self._take_own_end(event)
        if event.name != "exited":
            return
        code = event.facts.get("exit_code")
        fold = self._fold_of.pop(event.pid)
        self.folds[fold] = self.folds[fold].with_record(event)
        ended = FoldState.FAILED if code else FoldState.FINISHED
        state = None if fold is None else ended
        self._change(fold, state=state, ended_at=event.time, exit_code=code)

    def _take_own_end(self, event: Event) -> None:
        """An exception counts once the interpreter has ended below it; a handled one is followed by readings."""
        if event.name == "raised":
            self._raised.add(event.pid)
            return
        fold = self._fold_of[event.pid]
        ended = FoldState.FAILED if event.pid in self._raised else FoldState.FINISHED
        self._change(fold, state=None if fold is None else ended, ended_at=event.time)

    def settle(self, layout: RunLayout, now: float) -> None:
        """Read each fold's result file, and end the folds that are silent for too long."""
        for fold, fold_snapshot in self.folds.items():
            if fold is not None and fold <= MOST_FOLDS and fold_snapshot.seconds is None:
                found = layout.fold_outcome(fold)
                if found is not None:
                    self._change(
                        fold,
                        state=FoldState.FINISHED if found.is_finished else FoldState.FAILED,
                        ended_at=found.ended_at
                        if fold_snapshot.ended_at is None
                        else fold_snapshot.ended_at,
                        exit_code=found.exit_code,
                        seconds=found.seconds,
                    )
                    continue
            latest = fold_snapshot.latest
            if fold_snapshot.ended_at is None and latest and now - latest.time > ABANDONED_SECONDS:
                self._change(fold, ended_at=latest.time)

    def _change(self, fold: int | None, **changes: object) -> None:
        self.folds[fold] = replace(self.folds[fold], **changes)  # type: ignore[arg-type] # names are the fields'
