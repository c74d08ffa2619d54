"""`RunMember`: the folds of a run that one host and rank writes of, as their records say how they fare."""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from telemetry.daemon.history import History
from telemetry.holders import EVENT as HOLDERS
from telemetry.journal.holders_record import CHECKS, holders_of
from telemetry.journal.run_layout import fold_of
from telemetry.journal.stall_record import EVENT as STALLED
from telemetry.snapshot import LINGER_SECONDS, STALE_SECONDS, FoldSnapshot, FoldState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.journal.records import Event
    from telemetry.journal.run_layout import FoldOutcome, RunLayout
    from telemetry.reading import Reading

ABANDONED_SECONDS = 3600.0
"""A process without a record for so long counts as ended."""
FOLDS_KEPT = 1000
WAITING_KEPT = 200
"""Folds that no record names: run.json may plan any number."""
PROCESSES_KEPT = 4096
AHEAD_KEPT = 64
"""Processes whose holders of limits are told before their first reading."""
SPARE = 100


class Writer(NamedTuple):
    """A process that writes to a journal: hosts and containers have the same numbers."""

    journal: str
    pid: int
    start_ticks: int | None
    """None: the last process of that number there, for records that do not say."""

    def of_any_start(self) -> Writer:
        """Return what stands for the last process of that number."""
        return self._replace(start_ticks=None)


class Silence:
    """Since when nothing was heard of each fold: its own time may be one of the future."""

    def __init__(self) -> None:
        self._heard: dict[int | None, tuple[Reading, float]] = {}
        """By fold, its last reading and when that was there first."""

    def seconds(self, fold: int | None, latest: Reading, now: float) -> float:
        """Return how long ago ``latest`` came."""
        known, heard_at = self._heard.get(fold, (None, now))
        if known is not latest or heard_at > now:  # it is new, or the clock was set back
            heard_at = now
        self._heard[fold] = latest, heard_at
        return now - min(latest.time, heard_at)

    def forget(self, fold: int | None) -> None:
        """Give up what is known of ``fold``."""
        self._heard.pop(fold, None)


class RunMember:
    """The folds of a run that one host and rank writes of."""

    def __init__(self) -> None:
        self.folds: dict[int | None, FoldSnapshot] = {}
        self.history = History()
        self.planned: int | None = None
        self._named: int | None = None
        """How many folds there are, as the labels say."""
        self._fold_of: dict[Writer, int | None] = {}
        """By process, the fold of its last reading."""
        self._last_in: dict[int | None, int | None] = {}
        """By the fold that a directory is of, the fold that was recorded there last: its result file is of that one."""
        self._latest: dict[Writer, Writer] = {}
        """By journal and PID alone, the process that was read last: events tell no start."""
        self._silence = Silence()
        self._spare: list[tuple[int | None, FoldSnapshot]] = []
        """Some that are wanted least, the least one last, as they were then."""
        self._ahead: dict[Writer, dict[str, Event]] = {}
        """By process, who held which limit, if that is told before its first reading."""
        self._raised: set[Writer] = set()
        """Those whose last record but their end is an exception."""

    @property
    def fold_count(self) -> int | None:
        """How many are planned, by run.json, else by the labels: one command may run all folds itself."""
        is_by_label = self.planned is None or self.planned == 1
        return self._named or self.planned if is_by_label else self.planned

    def fold_of_sample(self, reading: Reading, journal: str, own: int | None) -> int | None:
        """Return the fold that the process of a sample between labels was in last; ``own`` before the first one."""
        return self._fold_of.get(Writer(journal, reading.pid, reading.start_ticks), own)

    def take(self, reading: Reading, fold: int | None, journal: str) -> None:
        """Take a reading: its fold runs, and the one that its process ran before does no more."""
        process = Writer(journal, reading.pid, reading.start_ticks)
        self._last_in[fold_of(journal)] = fold
        self._named = max(reading.folds or 0, self._named or 0) or None
        if fold not in self.folds and len(self.folds) >= FOLDS_KEPT:
            self.make_place()
        before = self._fold_of.get(process, fold)
        if before != fold and before in self.folds:
            ended = None if before is None else FoldState.FINISHED
            self._change(before, state=ended, ended_at=reading.time)
        if process not in self._fold_of and len(self._fold_of) >= PROCESSES_KEPT:
            self._forget_process(next(iter(self._fold_of)))
        self._fold_of[process] = fold
        self._latest[process.of_any_start()] = process
        self._raised.discard(process)
        fold_snapshot = self.folds.get(fold) or FoldSnapshot(fold=fold)
        self.folds[fold] = fold_snapshot.with_record(reading)
        state = None if fold is None else FoldState.RUNNING
        if fold_snapshot.state is not state or fold_snapshot.ended_at is not None:
            self.folds[fold] = self.folds[fold].begun_again(state)
        self.history.add(fold, reading)
        for event in self._ahead.pop(process.of_any_start(), {}).values():
            self.folds[fold] = self.folds[fold].with_record(event)

    def make_place(self) -> None:
        """Give up the fold that is wanted least."""
        while True:
            if not self._spare:
                least = nsmallest(SPARE, self.folds, key=self.wanted)
                self._spare = [(fold, self.folds[fold]) for fold in reversed(least)]
            fold, known = self._spare.pop()
            if self.folds.get(fold) is known:  # nothing was heard of it since
                break
        del self.folds[fold]
        self._silence.forget(fold)
        self.history.forget(fold)

    def wanted(self, fold: int | None) -> tuple[bool, bool, float]:
        """Return what orders folds: one that waits is wanted least, then the one that ended or was read first."""
        one = self.folds[fold]
        latest = one.latest.time if one.latest else 0.0
        return one.state is not FoldState.WAITING, one.ended_at is None, one.ended_at or latest

    def _forget_process(self, process: Writer) -> int | None:
        """Forget a process that ended, or that there is no place for; return its fold."""
        self._raised.discard(process)
        if self._latest.get(process.of_any_start()) == process:
            del self._latest[process.of_any_start()]
        return self._fold_of.pop(process)

    def expect(self, numbers: Iterable[int]) -> None:
        """Take the numbers of folds that are planned: those without a record wait, as far as there is place."""
        waiting = sum(one.state is FoldState.WAITING for one in self.folds.values())
        new = (number for number in numbers if number not in self.folds)
        for number in islice(new, max(0, WAITING_KEPT - waiting)):
            self.folds[number] = FoldSnapshot(fold=number, state=FoldState.WAITING)

    def take_event(self, event: Event, journal: str) -> None:
        """Take a record of how a process ended: its runner's, or its own, which knows no exit status."""
        process = self._latest.get(Writer(journal, event.pid, None))
        if process is None and event.name == HOLDERS:
            self._keep_ahead(Writer(journal, event.pid, None), event)
        if process is None or self._fold_of[process] not in self.folds:
            return
        if event.name in {"raised", "interpreter_ended"}:
            self._take_own_end(event, process)
        if event.name in {HOLDERS, STALLED}:
            fold = self._fold_of[process]
            self.folds[fold] = self.folds[fold].with_record(event)
        if event.name != "exited":
            return
        code = event.facts.get("exit_code")
        fold = self._forget_process(process)
        self.folds[fold] = self.folds[fold].with_record(event)
        ended = FoldState.FAILED if code else FoldState.FINISHED
        if code is None:  # only its parent was told how it ended
            ended = FoldState.STALE
        state = None if fold is None and not code else ended
        self._change(fold, state=state, ended_at=event.time, exit_code=code)

    def _keep_ahead(self, process: Writer, event: Event) -> None:
        """Keep what is told of who holds a limit for the first reading, which comes next."""
        try:
            limit = holders_of(event.facts, time=event.time).limit
        except ValueError:  # of another version, or the training's own
            return
        if process in self._ahead or len(self._ahead) < AHEAD_KEPT:
            known = {name: event.facts[name] for name in CHECKS if name in event.facts}
            self._ahead.setdefault(process, {})[limit] = replace(event, facts=known)

    def _take_own_end(self, event: Event, process: Writer) -> None:
        """An exception counts once the interpreter has ended below it; a handled one is followed by readings."""
        if event.name == "raised":
            self._raised.add(process)
            return
        fold = self._fold_of[process]
        has_failed = process in self._raised
        ended = FoldState.FAILED if has_failed else FoldState.FINISHED
        state = None if fold is None and not has_failed else ended
        self._change(fold, state=state, ended_at=event.time)

    def silent_writers(self, now: float) -> dict[Writer, float]:
        """Return the processes of folds that go on, each with the seconds since it was heard of."""
        silent: dict[Writer, float] = {}
        for process, fold in self._fold_of.items():
            fold_snapshot = self.folds.get(fold)
            if fold_snapshot and fold_snapshot.is_running and fold_snapshot.latest:
                silent[process] = self._silence.seconds(fold, fold_snapshot.latest, now)
        return silent

    def settle(
        self, layout: RunLayout, now: float, is_gone: Callable[[Writer], bool], *, is_read: bool
    ) -> None:
        """Read each fold's result file, and tell of the folds that are silent whether they have died.

        Before all that was written ``is_read``, nobody is silent: what comes next may be of now.
        """
        written = layout.folds_written()
        recorded = {self._last_in.get(own, own): own for own in written}
        for fold in self.folds:
            ended_at = self.folds[fold].ended_at
            if ended_at is not None and ended_at > now + LINGER_SECONDS:  # its clock is not ours
                self._change(fold, ended_at=now)
            if fold in recorded and self._take_outcome(fold, recorded[fold], layout, now):
                continue
            fold_snapshot = self.folds[fold]
            if is_read and fold_snapshot.is_running and fold_snapshot.latest is not None:
                writers = [process for process, own in self._fold_of.items() if own == fold]
                self._settle_silent(
                    fold,
                    fold_snapshot.latest,
                    now,
                    has_died=bool(writers) and all(map(is_gone, writers)),
                )

    def _take_outcome(self, fold: int | None, own: int, layout: RunLayout, now: float) -> bool:
        """Take what the result file in the directory of fold ``own`` says; return whether there is a new one."""
        fold_snapshot = self.folds[fold]
        found = None if fold_snapshot.seconds is not None else layout.fold_outcome(own)
        if found is None:
            return False
        self.folds[fold] = _with_outcome(fold_snapshot, found, now)
        return True

    def _settle_silent(
        self, fold: int | None, latest: Reading, now: float, *, has_died: bool
    ) -> None:
        silent = self._silence.seconds(fold, latest, now)
        if has_died:
            self._change(fold, state=FoldState.DIED, ended_at=min(latest.time, now))
        elif silent > ABANDONED_SECONDS:
            self._change(fold, state=FoldState.STALE, ended_at=min(latest.time, now))
        elif silent > STALE_SECONDS:
            self._change(fold, state=FoldState.STALE)

    def _change(self, fold: int | None, **changes: object) -> None:
        self.folds[fold] = replace(self.folds[fold], **changes)  # type: ignore[arg-type] # names are the fields'


def _with_outcome(fold_snapshot: FoldSnapshot, found: FoldOutcome, now: float) -> FoldSnapshot:
    """Return the fold as its result file tells how it ended."""
    ended_at = fold_snapshot.ended_at
    return replace(
        fold_snapshot,
        state=FoldState.FINISHED if found.is_finished else FoldState.FAILED,
        ended_at=min(found.ended_at, now) if ended_at is None else ended_at,
        exit_code=found.exit_code,
        seconds=found.seconds,
        cause=found.root_cause or "",
        outcome=found.outcome or "",
    )
