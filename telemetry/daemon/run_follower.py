"""`RunFollower`: follows the journals of one run directory and turns them into snapshots.

A run has one snapshot for each host and rank that writes to it. A journal's content is untrusted:
whatever it holds, the memory kept for it is bounded.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from telemetry.daemon.origins import TEXT_KEPT, Origin, Origins
from telemetry.daemon.run_bounds import LEFT_OUT, make_room, thin_checkpoints
from telemetry.daemon.run_member import RunMember, Writer
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event, Header
from telemetry.journal.resume import resume_command
from telemetry.journal.run_layout import RunLayout, fold_of
from telemetry.reading import PRESSURES
from telemetry.snapshot import SOURCES_KEPT, FoldSnapshot, FoldState, RunKey, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.daemon.history import History
    from telemetry.journal.records import Record
    from telemetry.reading import GpuUsage, Reading
    from telemetry.snapshot import ProcessGrowth

logger = logging.getLogger("foldwatch")

REASONS_KEPT = 3
_NO_DIGITS = str.maketrans("", "", "0123456789")
MEMBERS_KEPT = 256
POOLS_KEPT = 50
GPUS_KEPT = 64
REASONS_OF_A_GPU = 16


class _ReplacedError(Exception):
    """A journal is another process's now: the run is to be read anew."""


class RunFollower:
    """Follows the journals of one run; ``snapshots`` is their state so far."""

    def __init__(self, directory: str, name: str, journals: Sequence[str]) -> None:
        self.directory = directory
        self._layout = RunLayout(os.path.abspath(directory))
        self.name = name
        self.journals = tuple(journals)
        self.checkpoints = 0
        """How many labelled readings were taken: growth is judged by them."""
        self.snapshots: tuple[Snapshot, ...] = ()
        self.is_new = self.is_behind = True
        """Whether it was never read; whether there may be more to read than its time allowed."""
        self.written_at = max(map(_written_at, journals), default=0.0)
        """When its journals were written last, as it was found; 0 of one that is only planned."""
        self.is_live = True
        """Whether a fold of it runs or waits, or ended within a minute."""
        self._unreadable = ""
        self._failed_at: tuple[object, ...] | None = None
        """The state of its files when following it failed: it is tried again once they change."""
        self._forget()

    def _forget(self) -> None:
        self._followers = [JournalFollower(path) for path in self.journals]
        self._members: dict[Origin, RunMember] = {}
        self._origins = Origins(self.name)
        self._restarts: dict[str, int] = {}
        self._is_too_much = self._is_over = False
        self._planned: int | None = None
        self._resume = ""
        self._verdicts: dict[Origin, ProcessGrowth] = {}

    def judge(self, growth: Sequence[ProcessGrowth]) -> None:
        """Take a verdict; it is shown from the next round on. One on what is forgotten is dropped."""
        if self._members:
            first = next(iter(self._members))
            self._verdicts = {
                self._origins.of_process(one.pid, one.start_ticks, one.host) or first: one
                for one in growth
            }
            self._publish()

    @property
    def histories(self) -> dict[RunKey, History]:
        """The curves, by whose they are."""
        members = tuple(self._members.items())
        return {RunKey(self.name, *origin): member.history for origin, member in members}

    def follow(self, journals: Sequence[str]) -> None:
        """Follow these journals from now on; if one is gone, the rest is read anew."""
        new = [path for path in journals if path not in self.journals]
        is_any_gone = len(self.journals) + len(new) > len(journals)
        self.journals = tuple(journals)
        if is_any_gone:
            self._forget()
        else:
            self._followers += map(JournalFollower, new)

    def collect(self, *, until: float, now: float, look: bool = True) -> None:
        """Read the new records; those not read at ``until`` are left for the next call.

        Result files are looked for if there was a new record, or if ``look`` is set. A run that is over
        is read only if ``look`` is set. Raises nothing: what fails is this run's alone, and is shown of it.
        """
        self.is_new = False
        if self._failed_at is not None:
            if not look or self._failed_at == _state_of_files(self.journals):
                return
            self._failed_at = None
            self._forget()
        try:
            self._collect(until=until, now=now, look=look)
        except _ReplacedError:
            self._forget()
        except Exception as error:  # noqa: BLE001 - the bulkhead between one run and all the others
            self._failed_at, self.is_behind = _state_of_files(self.journals), False
            self._note_unreadable(f"{type(error).__name__}: {error}")
            bare = Snapshot(run=self.name, host=socket.gethostname(), unreadable=self._unreadable)
            self.snapshots = (bare,)

    def _collect(self, *, until: float, now: float, look: bool) -> None:
        self.is_live = _is_live(self._members, now)
        look |= not self._members  # it is new, or was forgotten
        if look and self._planned is None:
            self._planned = self._layout.folds_planned()
            self._resume = resume_command(self._layout.path, self._layout.configured())
        if not (look or self.is_live or self.is_behind):
            return
        was_behind = self.is_behind
        is_changed, why = self._read(until)
        look |= was_behind and not self.is_behind  # who is gone cannot be known before
        gone: frozenset[Writer] = frozenset()
        if look and not self.is_behind and (gone := _gone(self._members, self._origins, now)):
            is_changed |= self._read(until)[0]  # they may have written how they ended since
        if is_changed:
            self._is_too_much |= thin_checkpoints(self._members.values())
        if self._is_too_much:
            why.append(LEFT_OUT)
        is_changed |= self._note_unreadable("; ".join(why[:REASONS_KEPT]))
        if is_changed or (look and self.is_live):
            self._settle(now, gone)
            self._publish()

    def _read(self, until: float) -> tuple[bool, list[str]]:
        """Read the new records; return whether there were any, and why not all can be read."""
        is_changed = False
        why = [] if self.journals else _refusals(self.directory)
        for follower in self._followers:
            count = -1
            try:
                for count, record in enumerate(follower.stream(until=until)):
                    if count == 0 and self._is_of_another_process(follower, record):
                        raise _ReplacedError
                    self._take(record, follower.path)
            except OSError as error:  # not ours to read, or a disk that failed
                why.append(f"{os.path.basename(follower.path)}: {error.strerror or error}")
                continue
            finally:
                is_changed |= count >= 0
            if follower.skipped:
                why.append(_skipped(follower))
        self.is_behind = time.monotonic() >= until
        return is_changed, why

    def _note_unreadable(self, why: str) -> bool:
        """Take and log why something cannot be read; return whether that is new."""
        before, self._unreadable = self._unreadable, why[:TEXT_KEPT]
        if _kind(before) == _kind(self._unreadable):
            return False
        if self._unreadable:
            logger.warning("foldwatch: run %r is not read whole: %s", self.name, self._unreadable)
        return True

    def _is_of_another_process(self, follower: JournalFollower, first: Record) -> bool:
        """Whether a journal that was cut or replaced is begun by a process that did not write it before.

        One that goes on without a header, or with a known one, was only rotated: what is known of it stays.
        """
        if follower.restarts == self._restarts.get(follower.path, 0):
            return False
        self._restarts[follower.path] = follower.restarts
        return isinstance(first, Header) and not self._origins.is_known(first, follower.path)

    def _take(self, record: Record, path: str) -> None:
        if isinstance(record, Header):
            self._origins.note(record, path)
            return
        if isinstance(record, Event):
            self._member(self._origins.of_event(record, path)).take_event(record, path)
            return
        self.checkpoints += record.label is not None
        own, fold = fold_of(path), record.fold
        if own is not None and self._planned != 1:
            fold = own
        member = self._member(self._origins.of_reading(record, fold, path))
        if fold is None and record.label is None:
            fold = member.fold_of_sample(record, path, own)
        if fold not in member.folds:
            self._is_too_much |= make_room(member, self._members.values())
        member.take(_bounded(record), fold, path)

    def _member(self, origin: Origin | None) -> RunMember:
        """Return the member of ``origin``; a writer without a header belongs to the first member."""
        if origin is None or (origin not in self._members and len(self._members) >= MEMBERS_KEPT):
            origin = next(iter(self._members), Origin(socket.gethostname(), ""))
        elif origin not in self._members and not any(map(_has_reading, self._members.values())):
            self._members.clear()  # folds that were planned, before it was known who runs them
        return self._members.setdefault(origin, RunMember())

    def _settle(self, now: float, gone: frozenset[Writer]) -> None:
        """Read the result files, and end the folds whose processes are gone, or silent for too long."""
        known = {fold for member in self._members.values() for fold in member.folds}
        planned = range(1, (self._planned or 0) + 1)
        self._member(None).expect(number for number in planned if number not in known)
        for member in self._members.values():
            member.planned = self._planned
            member.settle(self._layout, now, gone.__contains__, is_read=not self.is_behind)
        self._is_over = self._is_over if self.is_behind else _is_over(self._layout, self._members)

    def _publish(self) -> None:
        snapshots = tuple(
            Snapshot(
                run=self.name,
                host=origin.host,
                rank=origin.rank,
                fold_count=member.fold_count,
                folds=tuple(one for _, one in sorted(member.folds.items(), key=_by_fold)),
                growth=found.growth if (found := self._verdicts.get(origin)) else (),
                odd=found.odd if found else (),
                judged_until=found.known_until if found else "",
                unreadable=self._unreadable if number == 0 else "",
                is_over=self._is_over,
                directory=self._layout.path,
                command=self._origins.commands.get(origin, ""),
                resume=self._resume,
            )
            for number, (origin, member) in enumerate(self._members.items())
        )
        if snapshots != self.snapshots:
            self.snapshots = snapshots


def _is_live(members: Mapping[Origin, RunMember], now: float) -> bool:
    """Whether a fold runs, waits, or has ended so lately that its result file may yet come, or none has begun."""
    folds = [one for member in members.values() for one in member.folds.values()]
    return not folds or any(one.is_live(now) for one in folds)


def _gone(members: Mapping[Origin, RunMember], origins: Origins, now: float) -> frozenset[Writer]:
    """Return the processes of folds that go on, for all that was read, and that are not there any more."""
    return frozenset(
        writer
        for member in members.values()
        for writer, silent in member.silent_writers(now).items()
        if origins.is_gone(writer, silent_seconds=silent)
    )


def _is_over(layout: RunLayout, members: Mapping[Origin, RunMember]) -> bool:
    """Whether there are folds that wait, and nobody who runs any."""
    folds = [one for member in members.values() for one in member.folds.values()]
    if not any(one.state is FoldState.WAITING for one in folds):
        return False
    return not any(one.is_running for one in folds) and layout.is_held() is False


def _state_of_files(journals: Sequence[str]) -> tuple[object, ...]:
    """Return what changes with the journals; None for one that is not there."""
    found: list[object] = [*journals]
    for path in journals:
        try:
            status = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_size, status.st_mtime_ns))
    return tuple(found)


def _written_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return math.inf  # why not, is soon said


def _refusals(directory: str) -> list[str]:
    """Return why a directory cannot be looked into; nothing where it can, or is gone."""
    try:
        os.scandir(directory).close()
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"the directory: {error.strerror or error}"]
    return []


def _skipped(follower: JournalFollower) -> str:
    count = len(follower.skipped) + follower.more_skipped
    return f"{count} of {follower.lines} lines are no records: {follower.skipped[0].reason}"


def _kind(reason: str) -> str:
    """Return a reason without its numbers: that more lines are skipped is nothing new."""
    return reason.translate(_NO_DIGITS)


def _has_reading(member: RunMember) -> bool:
    return any(fold_snapshot.latest is not None for fold_snapshot in member.folds.values())


def _by_fold(item: tuple[int | None, FoldSnapshot]) -> int:
    return item[0] or 0


def _bounded(reading: Reading) -> Reading:
    """Return ``reading`` without the fields that are not shown, and with its texts cut."""
    pools = reading.pools
    if pools is not None and len(pools) > POOLS_KEPT:
        largest = sorted(pools.items(), key=lambda item: -item[1])
        pools = dict(islice(largest, POOLS_KEPT))
    return replace(
        reading,
        label=_short(reading.label),
        stage=_short(reading.stage),
        pools=pools and {name[:TEXT_KEPT]: count for name, count in pools.items()},
        errors={
            name[:TEXT_KEPT]: why[:TEXT_KEPT]
            for name, why in islice(reading.errors.items(), SOURCES_KEPT)
        },
        gpus=reading.gpus and tuple(map(_short_gpu, reading.gpus[:GPUS_KEPT])),
        map_kinds=None,
        state=reading.state and reading.state[:1],
        pressure_seconds=_known_pressure(reading.pressure_seconds),
        pressure_scope=_short(reading.pressure_scope),
        peaks={},
    )


def _known_pressure(seconds: Mapping[str, float] | None) -> Mapping[str, float] | None:
    return seconds and {name: seconds[name] for name in PRESSURES if name in seconds}


def _short(text: str | None) -> str | None:
    return None if text is None else text[:TEXT_KEPT]


def _short_gpu(gpu: GpuUsage) -> GpuUsage:
    reasons = gpu.throttled_by and tuple(
        reason[:TEXT_KEPT] for reason in gpu.throttled_by[:REASONS_OF_A_GPU]
    )
    return replace(gpu, gpu=gpu.gpu[:TEXT_KEPT], throttled_by=reasons)
