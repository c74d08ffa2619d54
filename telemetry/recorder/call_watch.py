"""`CallWatch`: follows the calls of the thread that makes it, as deep as a bounded cost allows, into a `CallLedger`.

Python tells a profile function each call and each return. Where calls are few, as in the loop over folds, each is
followed, however short it is. A call that makes many is followed no deeper: the profile function is taken away until it
ends, and what grows meanwhile is entered as its own. Its end is noticed by what lies in its frame's ``f_trace``, which
Python frees with the frame: freeing it sets the profile function again, without a line of Python.

What is slow while a profile function is set is the interpreter itself, by half; that is why it is set no longer than
calls come seldom.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from itertools import repeat, takewhile, zip_longest
from operator import and_, eq, is_
from typing import TYPE_CHECKING, Any
from weakref import ref

from telemetry.interruption import class_name, message_of, pass_on
from telemetry.recorder.call_ledger import ROOT, CallLedger
from telemetry.recorder.own_code import is_of_program, is_telemetry
from telemetry.recorder.process_counts import ProcessCounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

SHARE = 0.002
"""Of wall time that following calls may take, beside what the dear counts take."""
CAPACITY_SECONDS = 0.02
EVENT_SECONDS = 4e-7
"""That Python takes to call the profile function, which it does not see itself."""
SLOWER = 0.3
"""By how much, of its time, Python is slower while a profile function is set."""
LONG_SECONDS = 5e-5
"""From which a call is long enough that its begin and its end are worth a reading."""
SHORT_SECONDS = 0.01
HEAVY_SECONDS = 0.01
"""Of Python without a call, from which a function is followed no more; or of Python's other threads in a call."""
MANY = 50
"""Calls, from which following what makes them may be dear."""
DEAREST_EVENT_SECONDS = 3e-4
"""What takes longer was preempted."""
SLOWS_OTHERS = sys.version_info >= (3, 12)
"""Whether Python's other threads are slower as well while one has a profile function: by more than half."""
WAITS = {"acquire", "get", "join", "poll", "select", "wait"}
"""Functions that are not Python's, in which a thread waits for what others do."""
DEEPEST = 300
NOTHING: dict[str, int] = {}
SUSPENDED = 0x20 | 0x80 | 0x200
"""CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of the module inspect."""


class _OpenCall:
    """One that is going on."""

    __slots__ = ("began", "code", "cost", "is_read", "made", "node")

    def __init__(self, node: int, began: float, code: CodeType | None) -> None:
        self.node = node
        self.code = code
        """None of a function that is not Python's. Where there are too many nodes, the node is a caller's."""
        self.began = began
        self.made = 0
        """How many calls."""
        self.cost = 0.0
        """Of following what it calls itself, and what that calls if it is short."""
        self.is_read = False
        """Whether the numbers were read when it began."""

    @property
    def is_turn(self) -> bool:
        """Whether it is one of the turns of a generator, which is left as a whole; its caller goes on to be followed."""
        return self.code is not None and bool(self.code.co_flags & SUSPENDED)

    def is_dear(self, at: float) -> bool:
        """Return whether following what it calls is."""
        return self.made > MANY and self.cost > SHARE * (at - self.began)


class _Budget:
    """What following may still take, in seconds."""

    def __init__(self) -> None:
        self.left = self.capacity = CAPACITY_SECONDS
        self.taken = 0.0
        self.at = time.perf_counter()
        """When the last event was over."""

    def take(self, began: float) -> float:
        """Take what an event has cost that began then, and is over; return it."""
        self.at = time.perf_counter()
        cost = min(self.at - began, DEAREST_EVENT_SECONDS) + EVENT_SECONDS
        self.taken += cost
        self.left -= cost
        return cost

    def wait(self, now: float) -> float:
        """Have more of it, for the time since the last event; return that."""
        gap = now - self.at
        self.left = min(self.capacity, self.left + SHARE * gap)
        return gap


class CallWatch:
    """Watches the thread that makes it until `stop`."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self.ledger = CallLedger()
        self.budget = _Budget()
        self.began = time.monotonic()
        self._failed = failed
        self._thread_id = threading.get_ident()
        self.counts = ProcessCounts(self._thread_id)
        self._calls: list[_OpenCall] = []
        """Those that go on, and are followed, from the outermost."""
        self._is_in_python = False
        """Whether the last event left the thread there, and not in a function that is not Python's."""
        self._is_behind = True
        """Whether there were calls that were not followed."""
        self._frees_at_end = False
        """Whether the call that was left, and is followed no further, frees its frame when it ends."""
        self._has_ended = False
        """Whether that call has ended just now."""
        self._base = DEEPEST
        """Calls that go on around all that is followed."""
        self._is_stopped = False
        self._ended = _ended(self._profile_after_end, self._thread_id)
        os.register_at_fork(after_in_child=partial(_stop, ref(self)))  # which is for good
        self.go_on()

    def go_on(self) -> None:
        """Follow what the caller, outside of telemetry, calls from here on, if it was left."""
        if self._is_stopped or threading.get_ident() != self._thread_id or sys.getprofile():
            return
        # Not this call's own frame: it would hold itself, and all that is around it, after its end.
        frames = _frames(sys._getframe(1))  # noqa: SLF001 - its documented name
        called = [*takewhile(lambda frame: is_telemetry(frame.f_code.co_filename), frames)][-1:]
        # Close to the limit of recursion nothing is followed.
        if called and 1 < len(frames) < DEEPEST and called[0].f_trace is None:
            called[0].f_trace = self._ended()
            self._frees_at_end = False
            self._is_behind = True

    def stop(self) -> None:
        """Follow no more."""
        if not self._is_stopped:
            self._is_stopped = True
            del self._ended.__del__  # type: ignore[attr-defined] # what is left, and has not ended, goes on with nothing

    def settle(self) -> None:
        """Enter what has grown until now."""
        if threading.get_ident() == self._thread_id and not self._is_stopped:
            self.ledger.move(self.ledger.current, self.counts.read(self.ledger, 0))

    def _profile_after_end(self, frame: FrameType, event: str, what: Any) -> None:
        if threading.get_ident() == self._thread_id:
            self._has_ended = self._frees_at_end
            sys.setprofile(self._profile)
        self._profile(frame, event, what)

    def _profile(self, frame: FrameType, event: str, what: Any) -> None:
        now = time.perf_counter()
        if self._is_stopped or threading.get_ident() != self._thread_id:
            sys.setprofile(None)
            return
        try:
            self._take(frame, event, what, now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the training goes on
            self._is_behind = True
            pass_on(error)
            self.stop()
            sys.setprofile(None)
            self._failed("attribution", f"{class_name(error)}: {message_of(error)}")
        except BaseException:  # of a signal's handler: Python takes the profile function away
            self._is_behind = True
            raise

    def _take(self, frame: FrameType, event: str, what: Any, now: float) -> None:
        gap = self.budget.wait(now)
        caller = frame.f_back if event == "call" else frame
        if self._is_behind or self._is_elsewhere(caller):
            self._catch_up(caller, now)
        elif self._is_in_python:
            self.budget.left -= SLOWER * gap
            if gap > HEAVY_SECONDS and self._calls:
                self.ledger.nodes[self._calls[-1].node].is_heavy = True
        is_left = False
        if event == "call":
            is_left = self._begin(frame, now)
        elif event == "c_call":
            is_left = self._begin_c(frame, what, now)
        elif self._has_to_end(event):
            self._end(now)
        self._is_in_python = event != "c_call"
        cost = self.budget.take(now)
        if (outer := self._outer()) is not None:
            outer.cost += cost
        if self.budget.left < 0 and not is_left:
            self._leave_dear(frame, event)

    def _begin(self, frame: FrameType, now: float) -> bool:
        """Take the begin of a call; return whether it is followed no further."""
        code, caller = frame.f_code, frame.f_back
        line = caller.f_lineno if caller is not None else 0
        parent = self._calls[-1].node if self._calls else ROOT
        call = _OpenCall(self.ledger.child(parent, line, code, code.co_qualname), now, code)
        self._enter(call)
        path, node = code.co_filename, self.ledger.nodes[call.node]
        is_dear = self.budget.left < CAPACITY_SECONDS / 2 and not is_of_program(path)
        if node.is_heavy or is_dear or is_telemetry(path) or len(self._calls) > DEEPEST:
            self._leave(frame)
            return True
        return False

    def _begin_c(self, frame: FrameType, what: Any, now: float) -> bool:
        """Take the begin of a call that is not Python's; return whether its caller is followed no further."""
        parent, name = self._calls[-1].node if self._calls else ROOT, what.__name__
        node = self.ledger.child(parent, frame.f_lineno, None, name)
        is_heavy = name in WAITS or self.ledger.nodes[node].is_heavy
        if is_heavy and SLOWS_OTHERS and self.counts.python.count:
            self._leave(frame)
            return True
        self._enter(_OpenCall(node, now, None))
        return False

    def _enter(self, call: _OpenCall) -> None:
        outer = self._outer()
        if outer is not None and not call.is_turn:
            outer.made += 1
        self._calls.append(call)
        call.is_read = self.ledger.nodes[call.node].is_long
        self.ledger.move(call.node, self._read() if call.is_read else NOTHING)

    def _has_to_end(self, event: str) -> bool:
        """Whether the innermost call that is followed ends; one of C that went on when calls were caught up with is not."""
        while event == "return" and self._calls and self._calls[-1].code is None:
            self._calls.pop()
        return bool(self._calls) and (event == "return" or self._calls[-1].code is None)

    def _end(self, now: float) -> None:
        call = self._calls.pop()
        node = self.ledger.nodes[call.node]
        node.is_long = now - call.began >= LONG_SECONDS
        is_read = call.is_read or node.is_long
        is_one_of_many = now - call.began < SHORT_SECONDS and not call.is_turn
        if is_one_of_many and (outer := self._outer()) is not None:
            outer.cost += call.cost
        parent = self._calls[-1].node if self._calls else ROOT
        worked = self.counts.python.worked_us
        self.ledger.move(parent, self._read() if is_read else NOTHING)
        if SLOWS_OTHERS and self.counts.python.worked_us - worked > HEAVY_SECONDS * 1e6:
            node.is_heavy = True

    def _read(self) -> dict[str, int]:
        return self.counts.read(self.ledger, len(self._calls) - self._base)

    def _catch_up(self, frame: FrameType | None, now: float) -> None:
        """Go to where the thread is by now."""
        calls = _calls_at(frame, self._calls, self.ledger, now)
        node = calls[-1].node if calls else ROOT
        is_after_end = self._has_ended and self.ledger.nodes[self.ledger.current].parent == node
        self._calls = calls
        self._base = min(self._base, len(calls))
        if not is_after_end:
            self.ledger.move(node)
        self.ledger.move(node, self._read())
        self._is_behind = self._has_ended = False

    def _leave_dear(self, frame: FrameType, event: str) -> None:
        """Leave the outermost call of which following what it calls is dear, or else the one that has just begun."""
        at = frame.f_back if event == "return" else frame
        dear = (len(self._calls) - 1, frame) if event == "call" else None
        for depth in range(len(self._calls) - 1, -1, -1):
            call = self._calls[depth]
            if call.code is not None and at is not None:
                dear = (depth, at) if call.is_dear(self.budget.at) else dear
                at = at.f_back
        if dear is not None:
            depth, left = dear
            del self._calls[depth + 1 :]
            self.ledger.move(self._calls[depth].node)
            self._leave(left)

    def _outer(self) -> _OpenCall | None:
        """Return the innermost call of a function of Python."""
        return next((call for call in reversed(self._calls) if call.code is not None), None)

    def _is_elsewhere(self, frame: FrameType | None) -> bool:
        """Whether the thread is in another function than what was followed has led to, as after a switch of stacks."""
        outer = self._outer()
        return frame is not None and outer is not None and outer.code is not frame.f_code

    def _leave(self, frame: FrameType) -> None:
        """Follow nothing until the call of ``frame`` ends; where a debugger traces it, until `go_on`."""
        if frame.f_trace is None:
            frame.f_trace = self._ended()
        # A generator's frame is freed long after it has yielded: what has grown since then is not its own.
        self._frees_at_end = not frame.f_code.co_flags & SUSPENDED
        self._is_behind = True
        sys.setprofile(None)


def _stop(watch: ref[CallWatch]) -> None:
    if (still := watch()) is not None:
        still.stop()


def _frames(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and those around it, at most DEEPEST."""
    frames: list[FrameType] = []
    while frame is not None and len(frames) < DEEPEST:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _calls_at(
    frame: FrameType | None, known: list[_OpenCall], ledger: CallLedger, now: float
) -> list[_OpenCall]:
    """Return the calls that go on in a frame, from the outermost; of those that are known, these."""
    calls: list[_OpenCall] = []
    node, line = ROOT, 0
    for one, was in zip_longest(reversed(_frames(frame)), known):
        if one is None:
            break
        code = one.f_code
        node = ledger.child(node, line, code, code.co_qualname)
        line = one.f_lineno
        is_same = was is not None and was.node == node and was.code is code
        calls.append(was if is_same else _OpenCall(node, now, code))
    return calls


def _ended(profile: Callable[..., None], thread_id: int) -> type:
    """Return what, when the thread frees it, sets a profile function, where there is no other one.

    All in C: a handler of a signal cannot run in it, whose exception would be lost. It looks at no frame: the one that
    ends is half taken apart by then (Python 3.13 crashes).
    """
    sets = map(sys.setprofile, repeat(profile))
    is_free = map(is_, iter(sys.getprofile, object()), repeat(None))
    is_own = map(eq, iter(threading.get_ident, None), repeat(thread_id))
    choices = map((repeat(None), sets).__getitem__, map(and_, is_free, is_own))
    goes_on = partial(next, map(next, choices))
    return type("Ended", (), {"__call__": _trace_nothing, "__del__": staticmethod(goes_on)})


def _trace_nothing(*_: object) -> None:
    """What a debugger calls that finds it in a frame."""
