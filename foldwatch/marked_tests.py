"""`MarkedTests`: the hooks of pytest that repeat the tests which are marked foldwatch, and report what came of them.

`pytest_foldwatch` registers it once there is such a test.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.gate.checks import Check, CheckOutcome
from analyzer.gate.markdown import checks_table
from analyzer.gate.repeats import read_allowances
from foldwatch.repeated_test import Meter, RepeatedTest, tear_down_shared
from telemetry.errors import InputError
from telemetry.metrics.textfile import replace_file

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from analyzer.gate.repeats import Allowances

MARK = "foldwatch"
FACTS = "foldwatch_checks"
"""The attribute of a report that bears the checks as JSON, also from a worker of xdist to what started it."""
SECONDS = 0.2
"""That following the calls of a phase of a test that seems to grow may take."""
_WORST = (CheckOutcome.FAILED, CheckOutcome.UNKNOWN, CheckOutcome.PASSED)


class MarkedTests:
    """The hooks, and what came of each test."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")  # of xdist
        self._report: str | None = config.getoption("--foldwatch-report")
        self._allowances: dict[pytest.Item, Allowances] = {}
        self._wrong: dict[pytest.Item, str] = {}
        """What is wrong with the marks of a test."""
        self._checks: list[Check] = []
        self._tests: Counter[CheckOutcome] = Counter()
        self._meter = Meter()
        self._present: RepeatedTest | None = None
        self._unwritten: str | None = None

    def take(self, items: Sequence[pytest.Item]) -> None:
        """Read the marks of tests.

        Raises:
            UsageError: A mark makes no sense. Not in a worker of xdist, where it would be an internal error: the test fails.
        """
        for item in items:
            try:
                self._allowances[item] = _allowances_of(item)
            except InputError as error:
                self._wrong[item] = f"{item.nodeid}: @pytest.mark.foldwatch: {error}"
        if self._wrong and not self._is_worker:
            raise pytest.UsageError(next(iter(self._wrong.values())))

    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run a marked test over and over, and report it once."""
        allowances = self._allowances.get(item)
        if allowances is None or allowances.repeats == 1:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._present = test = RepeatedTest(item, allowances, self._meter)
        *reports, teardown = test.run()
        self._present = None
        setattr(reports[-1], FACTS, json.dumps([one.as_json() for one in test.checks]))
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        if item.session.shouldfail or item.session.shouldstop:
            nextitem = None
        if nextitem is None or nextitem.parent is not item.parent:
            shared = tear_down_shared(item, nextitem)
            teardown = teardown if teardown.failed else shared
        item.ihook.pytest_runtest_logreport(report=teardown)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Follow its calls, while it is being found out what grows."""
        if item in self._wrong:
            pytest.fail(self._wrong[item], pytrace=False)
        return (yield from self._following())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        """As for the setup."""
        return (yield from self._following())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """As for the setup."""
        return (yield from self._following())

    def _following(self) -> Generator[None, Any, Any]:
        code = None if self._present is None else self._present.code
        if code is None:
            return (yield)
        code.allow(SECONDS)
        code.go_on()
        try:
            return (yield)
        finally:
            code.pause()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what came of a test, also of one that a worker of xdist ran, and of a subtest, which pytest reports itself."""
        if self._present is not None and report.failed:
            self._present.is_failed = True
        found = getattr(report, FACTS, None)
        if found is not None:
            own = [
                Check(one["name"], CheckOutcome(one["outcome"]), one["sentence"])
                for one in json.loads(found)
            ]
            self._tests[min((one.outcome for one in own), key=_WORST.index)] += 1
            self._checks += own

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report."""
        if self._report is None or self._is_worker:
            return
        if self._report.endswith(".md"):
            told = [one for one in self._checks if one.outcome is not CheckOutcome.PASSED]
            lines = [f"### foldwatch: {self._words()}", "", *(checks_table(told) if told else ())]
            text = "\n".join(lines)
        else:
            text = json.dumps({"checks": [one.as_json() for one in self._checks]}, indent=1)
        try:
            replace_file(self._report, f"{text}\n".encode())
        except OSError as error:
            self._unwritten = f"--foldwatch-report {self._report}: {error.strerror}"
            session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in a line what came of the tests."""
        if self._tests:
            terminalreporter.write_line(f"foldwatch: {self._words()}")
        if self._unwritten is not None:
            terminalreporter.write_line(self._unwritten, red=True)

    def _words(self) -> str:
        grow, unknown = self._tests[CheckOutcome.FAILED], self._tests[CheckOutcome.UNKNOWN]
        judged = self._tests.total() - unknown
        words = f"{judged:,} test{'' if judged == 1 else 's'} repeated, {grow:,} grow{'s' if grow == 1 else ''}"
        return f"{words}, {unknown:,} not judged" if unknown else words


def _allowances_of(item: pytest.Item) -> Allowances:
    """Read the marks of a test, its own over those of its class and module. Raises InputError."""
    marks = [*item.iter_markers(MARK)]  # the closest first
    if any(mark.args for mark in marks):
        raise InputError("give what is allowed by name, as threads=0")
    return read_allowances({name: one for mark in marks[::-1] for name, one in mark.kwargs.items()})
