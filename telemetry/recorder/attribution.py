"""`Attribution`: which code was at work when threads, memory maps and memory grew, at a bounded cost.

A thread of its own takes bursts of looks at the training's thread, and reads the numbers with each look; `call_tree`
says what two looks tell. It measures what that costs, and rests in proportion. Its counts go into the journal at the end
of each fold; the analyzer concludes from them. No method raises.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from telemetry.interruption import class_name, message_of, pass_on
from telemetry.kernel.kernel_file import KernelFile
from telemetry.kernel.procfs import status_value
from telemetry.own_thread import start_own_thread
from telemetry.recorder.allocator import malloc_in_use
from telemetry.recorder.call_tree import CallTree, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

SHARE = 0.004
"""Of wall time that looking may take; 0.5 % are promised, and not all of it can be measured."""
IN_A_BURST = 12
BETWEEN_SECONDS = (0.001, 0.004)
PAUSES = (0.02, 120.0)
FIRST_PAUSE = 0.1
AT_WORK = 0.25
"""Share of the CPU time above which a thread was at work as well."""
SOURCE_SHARE = 0.2
"""Of what looking may take, for each number whose cost grows with the process."""
DEAR_SECONDS = 0.0003
"""A number that costs more to read is read with the first look of a burst only."""
MOST_PYTHON_THREADS = 50
"""Whose CPU time is asked for; more of them count as at work."""
STEPS = {"threads": 1, "maps": 1, "rss_bytes": 2**19, "malloc_bytes": 2**16, "python_blocks": 500}
"""From which difference on two looks count as a rise or a fall. The kernel's RSS lags behind by 64 pages a thread."""
MOST_PAIRS = 2000


class Look(NamedTuple):
    """The numbers at one look, and where the thread was."""

    place: Place
    own_cpu: float
    """Seconds, of the thread that is looked at."""
    other_cpu: float
    """Of all others but the one that looks."""
    python_cpu: float
    """Of ``other_cpu``, that of Python's threads."""
    values: Mapping[str, int]


class PairCount:
    """Looks one after another in a burst that found the same calls: how many, and in how many a number changed."""

    __slots__ = ("count", "falls", "rises")

    def __init__(self) -> None:
        self.count = 0
        self.rises: dict[str, int] = {}
        self.falls: dict[str, int] = {}


class _Paced:
    """A number that costs the more to read the larger the process is: it is left out while its share is used up."""

    def __init__(self, read: Callable[[], int | None]) -> None:
        self._read = read
        self._cost = self._last = 0.0

    def is_due(self, elapsed: float) -> bool:
        return self._cost <= SOURCE_SHARE * SHARE * elapsed

    def read(self) -> int | None:
        began = time.thread_time()
        value = self._read()
        self._last = time.thread_time() - began
        self._cost += self._last
        return value

    @property
    def is_dear(self) -> bool:
        return self._last > DEAR_SECONDS


class Attribution:
    """Looks at the thread that makes it until `stop`."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self.tree = CallTree()
        self.pairs: dict[tuple[int, int, int], PairCount] = {}
        """By the innermost call that two looks have in common, and what that was doing at each."""
        self.shared: dict[str, int] = {}
        """What grew while several threads were at work, so that it is nobody's."""
        self.looks = 0
        self.cost_seconds = 0.0
        self.began = time.monotonic()
        self.lock = threading.Lock()
        """Held while a look is taken: what was found is read between two of them."""
        self._failed = failed
        self._thread_id = threading.get_ident()
        self._status = KernelFile("/proc/self/status")
        maps = KernelFile("/proc/self/maps", size=2**16)
        self._paced = {
            "maps": _Paced(lambda: maps.count_lines().count),
            "malloc_bytes": _Paced(malloc_in_use()),
        }
        self._last: Look | None = None
        self._last_of: dict[str, tuple[int, int]] = {}
        """By paced number, the look that read it last, and what it read."""
        self._random = random.Random(0x0F01D)  # noqa: S311 - that no rhythm of the training is met
        self._stop = threading.Event()
        self._status.hold()
        maps.hold()
        start_own_thread(self._run, name="foldwatch-attribution")

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.wait(pause * self._random.uniform(0.5, 1.5)):
            before = self.cost_seconds
            try:
                self._burst()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the training goes on
                pass_on(error)
                self._failed("attribution", f"{class_name(error)}: {message_of(error)}")
                return
            shortest, longest = PAUSES
            pause = min(max((self.cost_seconds - before) / SHARE, shortest), longest)

    def _burst(self) -> None:
        """Take some looks one after another: the first costs the most, for nothing of it is in a cache."""
        elapsed = time.monotonic() - self.began
        due = [name for name, source in self._paced.items() if source.is_due(elapsed)]
        due = due and [self._random.choice(due)]
        before = None
        for _ in range(IN_A_BURST):
            began, cpu_began = time.perf_counter(), time.thread_time()
            with self.lock:
                look = self._look(due)
                if before is not None and look is not None:
                    self._take_pair(before, look)
            # Its CPU time, and as much again for the interpreter's lock, which it holds meanwhile.
            held, used = time.perf_counter() - began, time.thread_time() - cpu_began
            cost = min(held, used) + used
            self.cost_seconds += cost
            before = look
            due = [name for name in due if not self._paced[name].is_dear]
            if self._stop.wait(self._random.uniform(*BETWEEN_SECONDS)):
                return

    def _look(self, due: list[str]) -> Look | None:
        """Take a look, and give what grew since the one before to the call that both have in common."""
        frames = sys._current_frames()  # noqa: SLF001 - its documented name
        frame = frames.pop(self._thread_id, None)
        if frame is None:  # the thread has ended
            self._last = None
            return None
        self.looks += 1
        frames.pop(threading.get_ident(), None)
        # While this thread holds the interpreter's lock none of these can end, which their clocks would not survive.
        own, is_few = _cpu_of(self._thread_id), len(frames) <= MOST_PYTHON_THREADS
        other = time.process_time() - own - time.thread_time()
        python = sum(map(_cpu_of, frames)) if is_few else other
        frames.clear()
        place = self.tree.look(frame, self.looks, since=self.looks - 1)
        values = self.values()
        for name in due:
            if (value := self._paced[name].read()) is not None:
                values[name] = value
                self._take_paced(name, value, frame)
        look = Look(place, own, other, python, values)
        if self._last is not None:
            self._take(self._last, look)
        self._last = look
        return look

    def values(self) -> dict[str, int]:
        """Read the numbers whose cost does not grow with the process; ``lock`` is held."""
        status = self._status.read()
        return {
            "threads": int(status_value(status, b"Threads") or 0),
            "rss_bytes": int(status_value(status, b"VmRSS") or 0) * 1024,
            "python_blocks": sys.getallocatedblocks(),
        }

    def _take_paced(self, name: str, value: int, frame: FrameType) -> None:
        """Give what grew to the call that is in common with the look that read this number last."""
        before, self._last_of[name] = self._last_of.get(name), (self.looks, value)
        if before is None or before[0] == self.looks - 1:
            return  # as every other number: see `_take`
        node = self.tree.nodes[self.tree.common(frame, before[0])]
        node.grown[name] = node.grown.get(name, 0) + value - before[1]

    def _take(self, before: Look, look: Look) -> None:
        is_shared = _is_shared(before, look)
        grown = self.shared if is_shared else self.tree.nodes[look.place.common].grown
        for name, amount in _differences(before, look):
            grown[name] = grown.get(name, 0) + amount

    def _take_pair(self, first: Look, second: Look) -> None:
        if _is_shared(first, second):
            return
        common = second.place.common
        below = self.tree.below
        key = common, below(common, first.place), below(common, second.place)
        pair = self.pairs.get(key)
        if pair is None:
            if len(self.pairs) >= MOST_PAIRS:
                return
            pair = self.pairs[key] = PairCount()
        pair.count += 1
        for name, amount in _differences(first, second):
            if abs(amount) >= STEPS[name]:
                times = pair.rises if amount > 0 else pair.falls
                times[name] = times.get(name, 0) + 1


def _differences(before: Look, look: Look) -> list[tuple[str, int]]:
    return [
        (name, value - before.values[name])
        for name, value in look.values.items()
        if name in before.values
    ]


def _is_shared(before: Look, look: Look) -> bool:
    """Whether other threads were at work beside the one that is looked at, or Python's other ones in its stead."""
    own = look.own_cpu - before.own_cpu
    other = look.other_cpu - before.other_cpu
    python = look.python_cpu - before.python_cpu
    if other <= AT_WORK * (own + other):
        return False
    return own > AT_WORK * (own + other) or python > AT_WORK * other


def _cpu_of(thread_id: int) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread_id))
