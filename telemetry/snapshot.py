"""`Snapshot`: the state of a run at one moment, built from readings and journal records."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from telemetry.holders import EVENT as HOLDERS
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import Event
from telemetry.journal.stall_record import EVENT as STALLED
from telemetry.journal.stall_record import stall_of
from telemetry.progress import NO_PROGRESS
from telemetry.reading import Reading, latest_known, with_stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.holders import Holders
    from telemetry.journal.records import Record
    from telemetry.journal.stall_record import Stall
    from telemetry.progress import StageProgress

SOURCES_KEPT = 50
"""More than there are; an untrusted journal may name any number."""
INTERRUPTED, NOT_REACHED = "interrupted", "not reached"
"""Outcomes of folds that nothing failed in."""
OUTCOMES = frozenset(
    {
        *("exception", "exit code", "signal", "out of memory", "no result", "timeout"),
        *(INTERRUPTED, NOT_REACHED, "refused", "not started"),
    }
)
"""Those that failure.json has."""
STALE_SECONDS = 120.0
"""More than LINGER_SECONDS; an older reading says nothing of now."""
LINGER_SECONDS = 60.0
"""Seconds that the live series of an ended fold are still shown, so that a last scrape sees its end."""


class FoldState(enum.StrEnum):
    """How far a fold is; the text is the metrics' label ``state``."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    """It left a result."""
    FAILED = "failed"
    """It left no result."""
    SKIPPED = "skipped"
    """An earlier run left its result."""
    DIED = "died"
    """Its process is gone, and nobody wrote how it ended."""
    STALE = "stale"
    """Nothing was heard of its process for STALE_SECONDS, and it may be there still."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more of the fold is to come."""
        return self not in {FoldState.WAITING, FoldState.RUNNING, FoldState.STALE}

    @property
    def is_failure(self) -> bool:
        """Whether the fold ended without a result."""
        return self is FoldState.FAILED or self is FoldState.DIED


class LiveRunState(enum.StrEnum):
    """How far a run is, the same word everywhere; the text is the metrics' label ``state``."""

    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    FAILED = "failed"
    DIED = "died"
    STALE = "stale"
    UNREADABLE = "unreadable"
    """Nothing of it can be read."""


_GOES_ON = frozenset({FoldState.RUNNING, FoldState.STALE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSnapshot:
    """One fold, or a process that runs them all (``fold`` None until a label names one)."""

    fold: int | None
    state: FoldState | None = None
    """None if no runner says so."""
    latest: Reading | None = None
    checkpoints: Mapping[str, Reading] = field(default_factory=dict)
    """The last reading by stage; at most STAGES_KEPT."""
    error_counts: Mapping[str, int] = field(default_factory=dict)
    """How often each source or sink failed."""
    holders: Mapping[str, Holders] = field(default_factory=dict)
    """By limit, who held it when that was looked at last: as it became near, and about every minute since."""
    progress: StageProgress = NO_PROGRESS
    """Since when nothing has moved, and how long its stages took."""
    stall: Stall | None = None
    """Where it stands, if that was looked at since."""
    exit_code: int | None = None
    """As a shell reports it: 128 plus the signal's number for a process that a signal ended."""
    seconds: float | None = None
    ended_at: float | None = None
    cause: str = ""
    """Of one that failed, why, in one line: the causes with their confidence and the last line, as failure.json has it."""
    outcome: str = ""
    """Of one that failed, how, in a word or two, as failure.json has it: ``signal``, ``timeout``, ``interrupted``, ..."""

    @property
    def present_state(self) -> FoldState:
        """Its state, also where no runner says it."""
        if self.state is not None:
            return self.state
        if self.ended_at is None:
            return FoldState.RUNNING
        return FoldState.FAILED if self.exit_code else FoldState.FINISHED

    @property
    def was_interrupted(self) -> bool:
        """Whether a person, or a scheduler, asked it to end."""
        return self.outcome == INTERRUPTED

    @property
    def is_running(self) -> bool:
        """Whether it goes on, for all that is known; one that is stale does."""
        return self.ended_at is None and self.present_state in _GOES_ON

    @property
    def label(self) -> str:
        """The fold as the label ``fold`` of metrics and alerts: its number, or empty for none."""
        return "" if self.fold is None else str(self.fold)

    def with_record(self, record: Record) -> FoldSnapshot:
        """Return this snapshot as it is after ``record``."""
        if isinstance(record, Event) and record.name == HOLDERS:
            return self._with_holders(record)
        if isinstance(record, Event) and record.name == STALLED:
            return self._with_stall(record)
        if isinstance(record, Event):
            return self._with_final_counters(record)
        if not isinstance(record, Reading):
            return self
        error_counts = dict(self.error_counts)
        for source in record.errors:
            if source in error_counts or len(error_counts) < SOURCES_KEPT:
                error_counts[source] = error_counts.get(source, 0) + 1
        checkpoints = self.checkpoints
        if record.stage is not None:
            checkpoints = with_stage(checkpoints, record.stage, record)
        latest = latest_known(self.latest, record)
        progress = self.progress.after(record)
        return replace(
            self,
            latest=latest,
            checkpoints=checkpoints,
            error_counts=error_counts,
            progress=progress,
            stall=self.stall if progress.quiet_seconds else None,
        )

    def _with_holders(self, event: Event) -> FoldSnapshot:
        try:
            found = holders_of(event.facts, time=event.time)
        except ValueError:  # of another version
            return self
        return replace(self, holders={**self.holders, found.limit: found})

    def _with_stall(self, event: Event) -> FoldSnapshot:
        if (
            self.latest is None or self.latest.pid != event.pid
        ):  # of a child, which its own words name
            return self
        try:
            return replace(self, stall=stall_of(event.facts))
        except ValueError:  # of another version, or the training's own
            return self

    def _with_final_counters(self, event: Event) -> FoldSnapshot:
        """Take the counters as the end of the process left them: the limit that killed it was hit
        after its last reading.
        """
        latest, facts = self.latest, event.facts
        if event.name != "exited" or latest is None or latest.pid != event.pid:
            return self
        if facts.get("cgroup") != latest.cgroup:
            return self
        counters = {
            name: facts[name]
            for name in ("pids_limit_hits", "oom_kills")
            if type(facts.get(name)) is int and facts[name] >= 0
        }
        return replace(self, latest=replace(latest, **counters))

    def begun_again(self, state: FoldState | None) -> FoldSnapshot:
        """Return this snapshot as it is while a process runs the fold, whatever became of an earlier one."""
        return replace(
            self,
            state=state,
            ended_at=None,
            exit_code=None,
            seconds=None,
            cause="",
            outcome="",
        )

    def is_live(self, now: float) -> bool:
        """Whether its series are still shown at ``now``, in seconds since the epoch."""
        return self.ended_at is None or now - self.ended_at < LINGER_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthSnapshot:
    """The analyzer's verdict so far on one resource of a process."""

    resource: str
    """threads, cgroup_pids, maps or rss_bytes."""
    verdict: str
    reason: str
    per_fold: float | None = None
    """In the resource's own unit; None if no slope is known."""
    folds_to_limit: float | None = None
    child: str = ""
    """Role and PID of the child process that the verdict is on; empty for the process itself."""
    grown: tuple[str, ...] = ()
    """What it has grown by, in words, as far as that is known: whether memory is held, which maps, in which function."""

    @property
    def is_alarming(self) -> bool:
        """Whether it grows in a way that may end the run."""
        return self.verdict in {"growing", "critical"}


class ProcessGrowth(NamedTuple):
    """The verdicts so far on a process, the present one of its host and rank."""

    host: str
    pid: int
    start_ticks: int | None
    growth: tuple[GrowthSnapshot, ...]
    odd: tuple[str, ...] = ()
    """How its rank differs from the others, in words."""
    known_until: str = ""
    """The last label that they know."""


class RunKey(NamedTuple):
    """A run on one host, of one rank."""

    run: str
    host: str
    rank: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run: its name, its host, and its folds."""

    run: str
    host: str
    rank: str = ""
    fold_count: int | None = None
    folds: tuple[FoldSnapshot, ...] = ()
    growth: tuple[GrowthSnapshot, ...] = ()
    """By resource; empty if nothing judges the run, or there is too little to judge."""
    odd: tuple[str, ...] = ()
    """How this rank differs from the others of the run, in words."""
    judged_until: str = ""
    """The last label that its verdicts know; empty without any."""
    unreadable: str = ""
    """Why something of the run cannot be read; what is shown of it is then not all. Empty where all can."""
    is_over: bool = False
    """Whether nobody runs the folds that still wait."""
    directory: str = ""
    """Where its files are; empty for a process without any."""
    command: str = ""
    """What its process was started with, without secrets."""
    resume: str = ""
    """The command that goes on with it; empty if no runner runs it."""

    @property
    def key(self) -> RunKey:
        """Its identity among the snapshots of a daemon."""
        return RunKey(self.run, self.host, self.rank)

    def is_to_progress(self, fold_snapshot: FoldSnapshot) -> bool:
        """Whether a fold that stands has stalled, which takes a fold or a label: other processes may idle as they like."""
        progress = fold_snapshot.progress
        is_training = fold_snapshot.fold is not None or bool(progress.stage)
        return is_training and bool(progress.seen) and not _IDLE.search(self.command)

    def usual_seconds(self, fold_snapshot: FoldSnapshot) -> float | None:
        """Return the longest that the present stage of a fold took before, in any; None if none has ended."""
        return fold_snapshot.progress.usual_seconds(self._progress())

    def stalls_after(self, fold_snapshot: FoldSnapshot) -> float:
        """Return the seconds from which on a fold has stalled if nothing moves."""
        return fold_snapshot.progress.stalls_after(self._progress())

    def _progress(self) -> Iterator[StageProgress]:
        """Give how its folds get on; of very many the first and the last ones, for each is asked about all."""
        few = self.folds[:FOLDS_COMPARED]
        for one in (*few, *self.folds[len(few) :][-FOLDS_COMPARED:]):
            yield one.progress

    @property
    def state(self) -> LiveRunState:
        """How far the run is: while a fold of it goes on or is to come, no earlier one makes it failed."""
        if self.unreadable and not any(fold_snapshot.latest for fold_snapshot in self.folds):
            return LiveRunState.UNREADABLE
        states = {fold_snapshot.present_state for fold_snapshot in self.folds}
        if self.is_over:
            states.discard(FoldState.WAITING)
        elif not states:
            return LiveRunState.WAITING
        first = next((state for state in _BY_WEIGHT if state in states), FoldState.FINISHED)
        return LiveRunState(first.value)


FOLDS_COMPARED = 100
_IDLE = re.compile("ipykernel|jupyter")
"""In the command of what waits for a person between two labels."""
_BY_WEIGHT = (
    FoldState.RUNNING,
    FoldState.STALE,
    FoldState.WAITING,
    FoldState.DIED,
    FoldState.FAILED,
)
"""The states of folds, of which the first that any has is the run's."""
