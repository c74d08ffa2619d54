"""`RepeatedTest`: runs one test over and over in this process, and looks at what each repeat leaves behind.

A repeat is all of pytest's protocol but for what tests share: fixtures of the test itself are set up and torn down each
time, those of its class, its module and its session stay.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import re
import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from _pytest.runner import runtestprotocol

from analyzer.gate.checks import Check, CheckOutcome
from analyzer.gate.repeats import Leftover, Repeats
from analyzer.processes.attributed import attributed_of
from telemetry.kernel.descriptor_identity import read_descriptors_by_identity
from telemetry.kernel.map_identity import read_maps_by_identity
from telemetry.kernel.reader import Reader
from telemetry.recorder.allocator import find_allocator
from telemetry.recorder.attributed import CodeAtWork

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.gate.repeats import Allowances

CLOSING_SECONDS = 0.05
"""After a repeat of a test that seems to grow."""
FOLLOWED = 6
"""Repeats of which the calls are followed, of a test that grows."""
CALLS = 900
"""That are told apart: more than of a training, for a test that is over soon stands out less from pytest's own calls."""
_XPASS = "[XPASS(strict)]"
_NUMBER = re.compile("[0-9]+")


class Meter:
    """Reads what this process holds."""

    def __init__(self) -> None:
        self._allocator = find_allocator()
        self._reader = Reader()

    def look(self, code: CodeAtWork | None = None, *, is_thorough: bool = False) -> Leftover:
        """Read it, without what is garbage or only kept by malloc; with what it is if ``code`` follows the calls.

        What is garbage and old is collected only in a thorough look, which takes longer than most tests; and what a server
        in another thread closes has its time to be closed.
        """
        if is_thorough:
            time.sleep(CLOSING_SECONDS)
        gc.collect(2 if is_thorough else 1)
        if self._allocator is not None:
            self._allocator.release()
        if self._reader.is_lost:  # a test has closed every descriptor
            self._reader = Reader()
        reading = self._reader.read()
        names = Counter(_NUMBER.sub("#", thread.name) for thread in threading.enumerate())
        if code is None:
            return Leftover(reading, names)
        maps: dict[str, int] = {}
        descriptors: dict[str, int] = {}
        with contextlib.suppress(OSError):  # no descriptor is left
            maps, descriptors = (
                read_maps_by_identity(reading.pid),
                read_descriptors_by_identity(reading.pid),
            )
        return Leftover(reading, names, maps, descriptors, attributed_of(code.facts(most=CALLS)))


class RepeatedTest:
    """One test with its allowances. `run` is called once."""

    def __init__(self, item: pytest.Item, allowances: Allowances, meter: Meter) -> None:
        self.code: CodeAtWork | None = None
        """Follows the calls, while it is being found out what grows."""
        self.checks: Sequence[Check] = ()
        """What came of it."""
        self.is_failed = False
        """Whether a subtest has failed, which its own reports do not say yet."""
        self._item, self._allowances, self._meter = item, allowances, meter
        self._is_asked_for = item.get_closest_marker("foldwatch") is not None

    def run(self) -> list[pytest.TestReport]:
        """Return the reports of its first run, of a later one that fails, or of one that says what grows."""
        first = self._run_once()
        if not self._has_passed(first):
            return self._unjudged(first, "the test itself did not pass")
        repeats = Repeats(self._allowances, [self._meter.look()])
        with contextlib.ExitStack() as stack:
            while self._goes_on(repeats):
                if len(repeats.left) == self._allowances.most_repeats:
                    self.code = stack.enter_context(_followed_calls())
                reports = self._run_once()
                if not self._has_passed(reports):
                    words = f"did not pass in repeat {len(repeats.left) + 1}"
                    return self._broken_off(first, reports, words)
                is_thorough = len(repeats.left) >= self._allowances.repeats
                repeats.left.append(self._meter.look(self.code, is_thorough=is_thorough))
        self.checks = [*repeats.checks(self._item.nodeid)]
        grown = [one.sentence for one in self.checks if one.outcome is CheckOutcome.FAILED]
        if grown:
            first[1] = self._failed(f"{'; '.join(grown)} (over {len(repeats.left)} repeats)")
        return first

    def _goes_on(self, repeats: Repeats) -> bool:
        """Whether to repeat it once more: as asked for; while it seems to grow; and if it does, to see where."""
        count, most = len(repeats.left), self._allowances.most_repeats
        if count < most:
            return count % self._allowances.repeats > 0 or repeats.may_grow()
        return count < most + FOLLOWED and repeats.grows()

    def _run_once(self) -> list[pytest.TestReport]:
        item = self._item
        is_method = isinstance(item, pytest.Function) and hasattr(item.cls, item.originalname)
        if is_method and "_instance" in vars(item):
            # As each test has, each repeat has an instance of the class of its own.
            del item._instance, item._obj  # type: ignore[attr-defined]
        del item._report_sections[:]  # what an earlier repeat has printed
        properties = len(item.user_properties)
        # What it shares with others of its class or module stays: as if such another one came next.
        reports = runtestprotocol(item, log=False, nextitem=copy.copy(item))
        del item.user_properties[properties:]
        return reports

    def _has_passed(self, reports: Sequence[pytest.TestReport]) -> bool:
        """Whether all of it passed, be it against what a mark says: it may be growth that is expected to fail."""
        return (
            len(reports) > 2
            and not self.is_failed
            and all(one.passed or str(one.longrepr).startswith(_XPASS) for one in reports)
        )

    def _broken_off(
        self, first: list[pytest.TestReport], last: list[pytest.TestReport], why: str
    ) -> list[pytest.TestReport]:
        """Report a test that can be run, and not repeated: if that was asked for, the failure is its own."""
        if not self._is_asked_for or not any(one.failed for one in last):
            return self._unjudged(first, why)
        for one in last:
            one.sections.append(("foldwatch", f"The test {why}."))
        return self._unjudged(last, why)

    def _unjudged(self, reports: list[pytest.TestReport], why: str) -> list[pytest.TestReport]:
        self.checks = [Check(self._item.nodeid, CheckOutcome.UNKNOWN, why)]
        return reports

    def _failed(self, sentence: str) -> pytest.TestReport:
        call = pytest.CallInfo.from_call(partial(pytest.fail, sentence, pytrace=False), when="call")
        return _reported(self._item, call)


def tear_down_shared(item: pytest.Item, nextitem: pytest.Item | None) -> pytest.TestReport:
    """Tear down what a test that has ended shares with others, but not with the next one."""
    capture = item.config.pluginmanager.get_plugin("capturemanager")
    del item._report_sections[:]
    with contextlib.nullcontext() if capture is None else capture.item_capture("teardown", item):
        tear_down = partial(item.session._setupstate.teardown_exact, nextitem)
        call = pytest.CallInfo.from_call(tear_down, when="teardown")
    return _reported(item, call)


def _reported(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Make the report of a test that has ended, of which hooks of other plugins may ask what only a running one has."""
    has_request = hasattr(item, "_request")
    if has_request:
        item._initrequest()  # type: ignore[attr-defined] # as runtestprotocol does
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    if has_request:
        item._request, item.funcargs = False, None  # type: ignore[attr-defined] # as above
    return report


@contextlib.contextmanager
def _followed_calls() -> Iterator[CodeAtWork]:
    code = CodeAtWork(lambda *_: None)
    try:
        yield code
    finally:
        code.stop()
        code.pause()
