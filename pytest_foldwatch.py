"""The pytest plugin: ``@pytest.mark.foldwatch`` repeats a test, and fails it if each repeat leaves more behind.

pytest loads this module into every run, so it stands beside the packages: to import foldwatch would load ``telemetry``, and a
project may have a package of that name of its own. `foldwatch.marked_tests` does the work, once a test is marked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from foldwatch.marked_tests import MarkedTests

MARK = "foldwatch"
WORK = "foldwatch-marked-tests"
"""The name under which what does the work is registered."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("foldwatch")
    group.addoption(
        "--foldwatch",
        action="store_true",
        help="Repeat every test, not only those that are marked foldwatch, and fail those that grow.",
    )
    group.addoption(
        "--foldwatch-report",
        metavar="FILE",
        help="Write what came of each test that was repeated: Markdown as FILE.md, else JSON.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and see early that the report can be written."""
    config.addinivalue_line(
        "markers",
        "foldwatch(threads=0, maps=50, rss='1MB', fds=0, descendants=0, repeat=5): "
        "repeat the test, and fail it if each repeat leaves more than that behind.",
    )
    report = config.getoption("--foldwatch-report")
    if report and not os.path.isdir(os.path.dirname(report) or "."):
        raise pytest.UsageError(f"--foldwatch-report {report}: no such directory")
    if report and os.path.isdir(report):
        raise pytest.UsageError(f"--foldwatch-report {report}: a directory; name a file in it")
    if report or config.getoption("--foldwatch"):
        _work(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the marked tests that are to run, if there are any; what is wrong with a mark is told before the first runs."""
    is_asked = config.getoption("--foldwatch")
    marked = [item for item in items if is_asked or item.get_closest_marker(MARK)]
    if marked:
        _work(config).take(marked)


def _work(config: pytest.Config) -> MarkedTests:
    work = config.pluginmanager.get_plugin(WORK)
    if work is None:
        try:
            from foldwatch.own_packages import check_own  # noqa: PLC0415 - see the module

            check_own("analyzer")
            from foldwatch.marked_tests import MarkedTests  # noqa: PLC0415 - as above
        except ImportError as error:  # a project has a package of the name of one of foldwatch's
            raise pytest.UsageError(f"foldwatch: {error}") from error
        work = MarkedTests(config)
        config.pluginmanager.register(work, WORK)
    return work
