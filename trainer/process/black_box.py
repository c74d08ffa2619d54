"""`BlackBox`: what a process used in its last minute, many times a second, for when it dies of a burst.

A journal has a reading a second, and a process that maps 60,000 times in two seconds, or starts 3,000 threads in one, is
gone before the next. So a thread beside it looks at its sizes 20 times a second, as far as its share of a core allows, and
at all of its cheap counters twice a second, at once when its sizes leap, and 100 times while anything moves fast. It keeps
the last minute in memory of a fixed size, and writes it when the process has died. `telemetry.kernel.quick_look` says what
a look costs and which locks it takes. The process that does the work is covered, and of its children the one nearest to a
limit of its own. An end that is none by itself and in trouble leaves nothing.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from telemetry.journal.records import encode
from telemetry.kernel.cgroup_controller import Controller, membership_file
from telemetry.kernel.map_watch import MapWatch
from telemetry.kernel.process_identity import start_ticks
from telemetry.kernel.quick_look import QuickLook
from telemetry.kernel.read_budget import SavedBudget
from telemetry.kernel.syscalls import Buffer
from telemetry.own_thread import start_own_thread
from trainer.process.box_ring import BoxRing, Seen, readings_of
from trainer.run.durable_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from telemetry.kernel.quick_look import Counters, Sizes
    from telemetry.reading import Limit, Reading

VARIABLE = "FOLDWATCH_BLACK_BOX"
"""Environment variable, ``off`` for none."""
SECONDS = 60.0
"""What is written of the time before a death."""
SHARE = 0.003
"""Of one core, in the long run."""
MAPS_SHARE = 0.2
"""Of that, for counting maps."""
SAVED_SECONDS = 0.05
MAPS_SAVED_SECONDS = 0.3
"""CPU seconds that may be saved up for a burst: for looks, and for counting maps. Of the minute that is written, no lock is
held for more than 0.6 % then."""
SLOW_SECONDS, FAST_SECONDS = 0.05, 0.01
"""Between two looks."""
MOVING_SECONDS = 0.5
"""For so long it looks fast after the last large step."""
LOOKS_OF_LATE = 16
WHOLE_SECONDS = 0.5
"""Between two looks at all counters while nothing moves."""
BINDING_SECONDS = 5.0
"""Between two looks at which of its cgroups binds."""
MOVES = (1 << 20, 16 << 20, 64 << 10, 8)
"""Steps of the `Counters` in SLOW_SECONDS that are large ones: size, resident, page tables, threads; `Sizes` are the first two."""
ROLES_KEPT = 100
FREE_TIMES = 16
"""A disk has to have room for so many of what is written: how the fold ended is still to be written, too."""
Identity: TypeAlias = "tuple[int, int | None]"
"""A process: its PID and its start."""
_HARMLESS = (OSError, ValueError, IndexError, MemoryError)


def is_wanted() -> bool:
    """Whether nobody has switched it off."""
    return os.environ.get(VARIABLE, "").strip().lower() != "off"


def is_death(facts: Mapping[str, object]) -> bool:
    """Whether a process ended by itself and in trouble, or nobody knows how; ``facts`` of its event ``exited``."""
    return not facts.get("by_runner") and facts.get("exit_code") != 0


class _Subject:
    """One process that is looked at."""

    def __init__(self, identity: Identity, patient: Buffer, budget: SavedBudget) -> None:
        self.identity = identity
        self.look = QuickLook(identity[0], patient=patient)
        self._maps = MapWatch(self.look, budget=budget)
        self._at = 0.0
        self._sizes: Sizes | None = None
        self._before: Counters | None = None
        """Both as they were then, at the last look at all counters."""
        self._is_gone = False
        """Whether its PID may mean another process by now."""
        self.moves = False
        """Whether a counter made a large step before the last look."""

    def is_still(self) -> bool:
        """Whether its sizes have hardly moved since the last look at all counters."""
        try:
            now = self.look.sizes()
        except _HARMLESS:
            return self._is_gone
        if now is None or self._sizes is None:
            return self._is_gone
        return not _is_step(now, self._sizes, time.monotonic() - self._at)

    def take(self, limit: int | None, *, counts_maps: bool) -> Seen | None:
        """Look at all counters; None if it is gone, or cannot be read."""
        if self._is_gone:
            return None
        try:
            self._sizes = self.look.sizes()
            now = self.look.read()
        except _HARMLESS as error:
            self._is_gone = isinstance(error, FileNotFoundError | ProcessLookupError)
            return None
        if now is None:
            return None
        at = time.monotonic()
        self.moves = self._before is not None and _is_step(now, self._before, at - self._at)
        self._at, self._before = at, now
        maps = self._maps.count(now, limit=limit) if counts_maps else None
        return Seen(self.identity, now, maps)


def _is_step(now: Sequence[int], before: Sequence[int], seconds: float) -> bool:
    """Whether something moves as fast as MOVES; of `Sizes`, only they are compared."""
    times = max(1.0, seconds / SLOW_SECONDS)
    steps = zip(now, before, MOVES, strict=False)
    return any(abs(one - other) >= step * times for one, other, step in steps)


class BlackBox:
    """Watches one process, in a thread of its own, from `start` to `close`.

    Invariants: its memory does not grow; its CPU time stays below ``share`` of the time that passes, but for what was
    saved up; no method waits for a read; what cannot be read costs itself alone.
    """

    def __init__(self, pid: int, *, share: float = SHARE) -> None:
        self._ring = BoxRing()
        self._wanted: tuple[Identity, Identity | None] = (pid, start_ticks(pid)), None
        self._limits: Mapping[str, Limit] = {}
        self._roles: dict[Identity, str] = {}
        """Of the children that were looked at last: what is told of one is told once it is gone."""
        self._is_closed = threading.Event()
        self._patient = Buffer(1 << 16, gives_way=True)
        self._share = share * (1 - MAPS_SHARE)
        self._budget = SavedBudget(share=self._share, capacity=SAVED_SECONDS)
        self._maps_budget = SavedBudget(share=share * MAPS_SHARE, capacity=MAPS_SAVED_SECONDS)
        self._main: _Subject | None = None
        self._child: _Subject | None = None
        self._controllers: tuple[Controller, Controller] | None = None
        self._whole_at = self._binding_at = self._fast_until = 0.0
        self._usual = 0.0
        """CPU seconds of a look, as it mostly was of late."""

    def start(self) -> None:
        """Look once, and begin; where no thread can be started, that is all."""
        self._look(counts_maps=False)  # which may wait for the process
        self._whole_at = 0.0
        with suppress(RuntimeError):
            start_own_thread(self._run, name="foldwatch-box")

    def follow(self, reading: Reading) -> None:
        """Look at the process of the latest reading from now on, and the child that is nearest to a limit."""
        child = next(iter(reading.children or ()), None)
        if child is not None:
            self._roles.pop(child.identity, None)
            self._roles[child.identity] = child.role
            if len(self._roles) > ROLES_KEPT:
                del self._roles[next(iter(self._roles))]
        known = self._wanted[1] if reading.children is None else None
        self._wanted = (reading.pid, reading.start_ticks), child.identity if child else known
        self._limits = reading.limits

    def close(self) -> None:
        """Stop looking; the thread ends at its next look."""
        self._is_closed.set()

    def seen(self) -> Iterator[Reading]:
        """Give what was seen in the last minute."""
        since = (time.time() - SECONDS) * 1e6
        rows = (row for row in self._ring.rows() if row.microseconds >= since)
        return readings_of(rows, limits=self._limits, roles=self._roles)

    def write(self, path: str) -> None:
        """Stop, and write the last minute, whole or not at all; nothing if it saw nothing. Raises OSError."""
        self.close()
        text = "".join(encode(reading).decode() for reading in self.seen())
        if not text:
            return
        room = os.statvfs(os.path.dirname(path))
        if room.f_bavail * room.f_frsize < FREE_TIMES * len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write_whole(path, text)

    def _run(self) -> None:
        cost = time.thread_time()
        while True:
            spent_on_maps = self._look()
            if self._is_closed.is_set():
                break
            now = time.thread_time()
            spent, cost = now - cost - spent_on_maps, now
            self._budget.pay(spent)
            self._usual += (spent - self._usual) / LOOKS_OF_LATE
            time.sleep(self._pause())
        for subject in (self._main, self._child):
            if subject is not None:
                subject.look.close()
        for controller in self._controllers or ():
            controller.close()

    def _pause(self) -> float:
        """Return how long to wait: what looking slowly costs is below its share, so that there is some left for a burst."""
        left = self._budget.left
        if left > 0 and time.monotonic() < self._fast_until:
            return FAST_SECONDS
        return max(SLOW_SECONDS, self._usual / (0.8 * self._share), -left / self._share)

    def _look(self, *, counts_maps: bool = True) -> float:
        """Look once; return the CPU time that counting maps took."""
        self._choose()
        if time.monotonic() < self._whole_at and self._is_still():
            return 0.0
        self._whole_at = time.monotonic() + WHOLE_SECONDS
        at = time.time()  # a count takes a while, and is of what there was before it
        before = self._maps_budget.spent
        most = self._limits.get("max_map_count")
        limit = most if isinstance(most, int) else None
        pids, memory_bytes = self._cgroups()
        own, child = (
            one.take(limit, counts_maps=counts_maps) if one else None
            for one in (self._main, self._child)
        )
        if own is not None and not self._is_closed.is_set():
            self._ring.append(own, child, at=at, pids=pids, memory_bytes=memory_bytes)
            if any(one is not None and one.moves for one in (self._main, self._child)):
                self._fast_until = time.monotonic() + MOVING_SECONDS
        return self._maps_budget.spent - before

    def _is_still(self) -> bool:
        """Whether nothing has moved of late."""
        return time.monotonic() >= self._fast_until and all(
            one.is_still() for one in (self._main, self._child) if one is not None
        )

    def _choose(self) -> None:
        """Look at those that are wanted now."""
        main, child = self._wanted
        if self._main is None or self._main.identity != main:
            self._main = self._subject(self._main, main)
            membership = membership_file("/", main[0])
            for controller in self._controllers or ():
                controller.close()
            self._controllers = (
                Controller("pids", pid=main[0], membership=membership),
                Controller("memory", pid=main[0], membership=membership),
            )
            self._whole_at = self._binding_at = 0.0
        if child != (self._child.identity if self._child else None):
            self._child = self._subject(self._child, child)

    def _subject(self, before: _Subject | None, identity: Identity | None) -> _Subject | None:
        if before is not None:
            before.look.close()
        return None if identity is None else _Subject(identity, self._patient, self._maps_budget)

    def _cgroups(self) -> tuple[int | None, int | None]:
        """Return pids.current and memory.current of the levels that bind."""
        if self._controllers is None:
            return None, None
        now = time.monotonic()
        pids, memory = self._controllers
        if now >= self._binding_at:
            self._binding_at = now + BINDING_SECONDS
            with suppress(*_HARMLESS):
                pids.read()
                memory.read()
        return pids.current(), memory.current()
