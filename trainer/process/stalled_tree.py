"""`StalledTree`: looks at a process that has stalled and at what descends from it, one after the other, and tells of each.

First what the kernel says, which stops nothing; then the stacks by pystack, which stops each process for a moment.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from telemetry.formatting import format_time
from telemetry.journal import typed
from telemetry.journal.stall_record import Stall, odd_of
from telemetry.kernel.process_identity import start_ticks
from telemetry.kernel.process_tree import children_of
from telemetry.kernel.tasks import read_descendants
from telemetry.recorder.own_code import is_of_program, is_telemetry
from trainer.process.look import NOT_INSTALLED, Look, has_pystack
from trainer.process.thread_facts import ProcessFacts, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMAND: tuple[str, ...] = (sys.executable, "-P", "-m", "trainer.process.stalled_stack")
MOST_PROCESSES = 16
MOST_SECONDS = 30.0
"""For all of them."""
CHILDREN_NAMED = 3
_STATES = {
    "T": "stopped",
    "t": "traced",
    "D": "waits in the kernel",
    "Z": "has ended",
    "": "is gone",
}
"""Those that say something of why it stands."""
OFF = "switched off (FOLDWATCH_STACKS=off)"


@dataclass(slots=True)
class _TreeProcess:
    """One process of the tree."""

    facts: ProcessFacts
    ticks: int | None
    stacks: Mapping[str, Any] | None = None
    """What pystack told; None if it was not asked."""

    @property
    def threads(self) -> list[dict[str, Any]]:
        """The threads that pystack told of, the main one first."""
        found = [one for one in (self.stacks or {}).get("threads", ()) if isinstance(one, dict)]
        return sorted(found, key=lambda one: one.get("tid") != self.facts.pid)

    @property
    def where(self) -> str:
        """The innermost function of the main thread that is the program's own, and what it has called."""
        place = _place(self.threads[0]) if self.threads else ""
        call = self.facts.threads[0].call if self.facts.threads else ""
        if place and call and ", in " not in place:
            return f"{place}, in {call}"
        return place or self.facts.where

    @property
    def paused_seconds(self) -> float | None:
        """For how long it was stopped; None if it was not."""
        try:
            return typed.seconds("seconds", (self.stacks or {})["seconds"])
        except (KeyError, ValueError):
            return None

    @property
    def why(self) -> str:
        """Why there are no stacks; empty where there are."""
        return "" if self.stacks is None else str(self.stacks.get("why", ""))


class StalledTree:
    """A look at process ``pid`` and its descendants; `poll` is to be called until `has_ended`.

    Invariant: what was stopped goes on at the end, and what was stopped before stays so.
    """

    def __init__(self, pid: int, *, stops: bool) -> None:
        """Read what the kernel says, and begin with the stacks, unless nothing may be stopped (``stops``)."""
        self._time, self._gives_up_at = time.time(), time.monotonic() + MOST_SECONDS
        self._seen = [_TreeProcess(facts_of(one), start_ticks(one)) for one in _processes(pid)]
        self._why = "" if has_pystack() else NOT_INSTALLED
        self._why = self._why if stops else OFF
        self._left = [] if self._why else [one for one in self._seen if one.facts.threads]
        self._look: tuple[_TreeProcess, Look] | None = None
        self._has_first = False

    def files(self) -> Iterator[IO[bytes]]:
        """Yield what becomes readable when the present look has ended."""
        if self._look is not None:
            yield self._look[1].output

    def has_ended(self, *, gives_up: bool = False) -> bool:
        """Go on with it; whether all was looked at, or it ``gives_up``. Never waits for a look, but then ends it."""
        gives_up |= time.monotonic() > self._gives_up_at
        while True:
            if self._look is not None:
                seen, look = self._look
                if not (look.has_ended() or gives_up):
                    return False
                self._look = None
                seen.stacks = look.close()
            if gives_up or not self._left:
                return True
            self._begin(self._left.pop(0))

    def has_first(self) -> bool:
        """Whether the first process was looked at; true once."""
        was_told, self._has_first = self._has_first, self._seen[0].stacks is not None
        return self._has_first and not was_told

    def _begin(self, seen: _TreeProcess) -> None:
        """Look at one; what is stopped, and what waits in the kernel and cannot be, only from aside."""
        is_still = seen.facts.state in {"T", "t", "D"}
        if seen.facts.state == "Z" or start_ticks(seen.facts.pid) != seen.ticks:
            return
        command = (*COMMAND, str(seen.facts.pid), *["python"] * is_still)
        try:
            look = Look(command, seen.facts.pid, seen.ticks, continues=not is_still)
            self._look = seen, look
        except OSError as error:
            seen.stacks = {"why": f"no process can be started: {error.strerror}"}

    def stalls(self, file: str) -> Iterator[tuple[int, Stall]]:
        """Give where each process stands, by its number; ``file`` has the stacks."""
        odd = self._odd_rank()
        for number, seen in enumerate(self._seen):
            yield (
                seen.facts.pid,
                Stall(
                    where=_with_state(seen),
                    others=odd or (self._children() if number == 0 else ""),
                    file=file,
                    paused_seconds=seen.paused_seconds,
                    why=self._why or seen.why,
                ),
            )

    def _odd_rank(self) -> str:
        """Say which rank stands where the others do not."""
        return odd_of(
            {
                one.facts.rank: f"in {_with_state(one)}"
                for one in self._seen
                if one.facts.rank and one.facts.threads
            }
        )

    def _children(self) -> str:
        """Say where the first children stand."""
        return "; ".join(
            f"its child {one.facts.pid} "
            + ("has ended" if one.facts.state == "Z" else f"stands in {_with_state(one)}")
            for one in self._seen[1 : 1 + CHILDREN_NAMED]
        )

    def text(self) -> str:
        """Return all that was found."""
        head = f"Where the processes stood that had stalled, {format_time(self._time)}"
        why = f"No Python and native stacks: {self._why}" if self._why else ""
        blocks = ["\n".join(_lines(one)) for one in self._seen]
        return (
            "\n\n".join(filter(None, [head, why, self._odd_rank() or self._children(), *blocks]))
            + "\n"
        )


def _processes(pid: int) -> list[int]:
    """Return the process and its descendants, of whom those come first that are most likely to tell: see MOST_PROCESSES."""
    try:
        below = [one.pid for one in read_descendants(pid, children_of(pid))]
    except OSError:
        below = []
    return [pid, *sorted(below)[: MOST_PROCESSES - 1]]


def _with_state(seen: _TreeProcess) -> str:
    words = _STATES.get(seen.facts.state)
    return f"{seen.where} (state {seen.facts.state}, {words})" if words else seen.where


def _place(thread: Mapping[str, Any]) -> str:
    """Say where a thread is: ``load_batch (data.py:12), in get (queue.py:171)``."""
    frames = [one for one in thread.get("python", ()) if isinstance(one, dict)]
    native = [one for one in thread.get("native", ()) if isinstance(one, dict)]
    own = [one for one in frames if _is_own(str(one.get("file", "")))]
    if not frames:
        return _name(native[-1]) if native else ""
    if not own or own[-1] is frames[-1]:
        return _name(frames[-1])
    return f"{_name(own[-1])}, in {_name(frames[-1])}"


def _is_own(path: str) -> bool:
    return is_of_program(path) and not is_telemetry(path)


def _name(frame: Mapping[str, Any]) -> str:
    place = str(frame.get("file") or frame.get("library") or "").rpartition("/")[2]
    line = f":{frame['line']}" if "line" in frame else ""
    return f"{frame.get('function', '?')} ({place}{line})"


def _lines(seen: _TreeProcess) -> Iterator[str]:
    facts = seen.facts
    rank = f", rank {facts.rank}" if facts.rank else ""
    paused = seen.paused_seconds
    stopped = "" if paused is None else f", stopped for {paused:.2f} s to read its stacks"
    yield f"== process {facts.pid}{rank}: it stands in {_with_state(seen)}{stopped}"
    for thread in facts.threads:
        words = filter(None, (thread.state, thread.call, thread.wait_channel))
        yield f"  thread {thread.tid} {thread.name}: {', '.join(words)}"
    if seen.why:
        yield f"  no stacks: {seen.why}"
    for one in seen.threads:
        yield f"  stack of thread {one.get('tid')}, the innermost last:"
        for language in ("python", "native"):
            for frame in one.get(language, ()):
                yield f"    {language:6} {_name(frame)}"
