"""Options and fixtures of all tests, and the markers that follow from the fixtures a test asks for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support.cgroups import (
    MEMORY_MOUNTS,
    PIDS_MOUNTS,
    RealCgroup,
    make_cgroup,
    remove_cgroup,
)
from tests.support.programs import call_foldwatch
from tests.support.requirements import need

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.support.programs import CommandOutcome

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
MARKER_OF_FIXTURE = {
    "pids_cgroup": "root",
    "memory_cgroup": "root",
    "small_disk": "root",
    "browser": "browser",
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "site": "slow",
    "healthy": "tensorflow",
    "reproduced": "tensorflow",
    "reference_folds": "tensorflow",
    "training_page": "tensorflow",
}

LONGEST_FIRST = (
    "tests/system/test_train.py",
    "tests/trainer/reproduce/",
    "tests/trainer/process/test_supervisor.py",
    "tests/trainer/runner/test_hostile_folds.py",
    "tests/docs/",
    "tests/system/",
    "tests/trainer/",
)
"""Files that would keep one worker busy alone if they came last, the longest first."""
MEASURED_PROCESSES = (
    "tests/foldwatch/",
    "tests/system/",
    "tests/telemetry/recorder/",
    "tests/trainer/",
)
"""Tests whose processes are measured for coverage. That costs each process as long as its start."""

# How fast examples are made and run is no property of the code: a busy machine is slow at both.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# A job in the background is started with SIGINT ignored, and so would be all that the tests press Ctrl-C on.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test's programs say on standard error is what went wrong; tests of the two lines switch them on.
os.environ["FOLDWATCH_QUIET"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark each test with what its fixtures need, and bring the longest files of any order first."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if marker := MARKER_OF_FIXTURE.get(fixture):
                item.add_marker(marker)
    yield  # the plugins that shuffle and select
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    places = enumerate(LONGEST_FIRST)
    return next((n for n, name in places if item.nodeid.startswith(name)), len(LONGEST_FIRST))


@pytest.fixture(autouse=True)
def measured_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the processes of the tests that are about processes; the others only use them."""
    if not request.node.nodeid.startswith(MEASURED_PROCESSES):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)


@pytest.fixture(name="foldwatch")
def foldwatch_command() -> Callable[..., CommandOutcome]:
    """Call the command line in this process."""
    return call_foldwatch


@pytest.fixture
def pids_cgroup() -> Iterator[RealCgroup]:
    """Give a fresh real cgroup, removed afterwards with all below it."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    folder = make_cgroup(PIDS_MOUNTS, "pids.max")
    need(folder, "a pids controller to make a cgroup in")
    assert folder is not None
    yield RealCgroup(folder)
    remove_cgroup(folder)


@pytest.fixture
def memory_cgroup() -> Iterator[str]:
    """Give a fresh real memory cgroup, removed afterwards."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    folder = make_cgroup(MEMORY_MOUNTS, "memory.stat")
    need(folder, "a memory controller to make a cgroup in")
    assert folder is not None
    yield folder
    remove_cgroup(folder)


@pytest.fixture(scope="session")
def promtool() -> str:
    """Give the path of promtool, from Debian's package prometheus."""
    path = shutil.which("promtool")
    need(path, "promtool (Debian's package prometheus)")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Give the path of Prometheus, from Debian's package prometheus."""
    path = shutil.which("prometheus")
    need(path, "prometheus (Debian's package prometheus)")
    assert path is not None
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a real Chromium."""
    need(os.path.exists(CHROMIUM), "chromium (Debian's package chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a tmpfs of 64 KiB."""
    need(os.geteuid() == 0, "root, to mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    need(done.returncode == 0, "leave to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
