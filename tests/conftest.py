"""Options, real cgroups, and the rule that on CI nothing may be skipped for want of a tool."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LOGS = os.path.join(HERE, "logs")
INCIDENT = os.path.join(LOGS, "incident_reconstructed.log")
RELEASED = os.path.join(LOGS, "tf_released_models_5_folds.log")
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
RETAINED = os.path.join(LOGS, "tf_retained_models_5_folds.log")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew")


# A job in the background is started with SIGINT ignored, and so would be all that the tests press Ctrl-C on.
signal.signal(signal.SIGINT, signal.default_int_handler)


def need(condition: object, what: str) -> None:
    """Skip where ``what`` is missing; on CI, which installs it all, fail."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing on CI: {what}")
    pytest.skip(f"needs {what}")


def ends_within(seconds: float, pid: int) -> bool:
    """Whether process ``pid`` is gone, or a zombie that init has yet to reap, in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                if "State:\tZ" in file.read():
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


@dataclass(frozen=True)
class CommandOutcome:
    """What a finished command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture(name="foldwatch")
def foldwatch_command() -> Callable[..., CommandOutcome]:
    """Run the command line in a process of its own."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> CommandOutcome:
        done = subprocess.run(
            [sys.executable, "-m", "foldwatch", *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=300,
        )
        return CommandOutcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@dataclass(frozen=True)
class RealCgroup:
    """A cgroup of the pids controller on this machine; v1 and v2 have the same file names."""

    folder: str

    def limit(self, pids: int) -> None:
        """Set pids.max."""
        with open(os.path.join(self.folder, "pids.max"), "w", encoding="ascii") as file:
            file.write(str(pids))

    def child(self, name: str) -> RealCgroup:
        """Make a cgroup inside."""
        os.mkdir(inner := os.path.join(self.folder, name))
        return RealCgroup(inner)

    def run(self, code: str) -> CommandOutcome:
        """Run Python ``code`` in a process that joins before it does anything else."""
        join = f"open({os.path.join(self.folder, 'cgroup.procs')!r}, 'w').write('0')\n"
        done = subprocess.run(
            [sys.executable, "-c", join + code],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return CommandOutcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def pids_cgroup() -> Iterator[RealCgroup]:
    """Give a fresh real cgroup, removed afterwards with all below it."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    for top in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        folder = os.path.join(top, f"foldwatch-test-{uuid.uuid4().hex[:8]}")
        with contextlib.suppress(OSError):
            os.mkdir(folder)
            if os.path.exists(os.path.join(folder, "pids.max")):
                break
            os.rmdir(folder)
    else:
        need(False, "a pids controller to make a cgroup in")  # noqa: FBT003 - the loop found none
    yield RealCgroup(folder)
    for path, _, _ in os.walk(folder, topdown=False):
        os.rmdir(path)


@pytest.fixture
def memory_cgroup() -> Iterator[str]:
    """Give a fresh real memory cgroup, removed afterwards."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    top = next(
        (top for top in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup") if _has_memory(top)), None
    )
    need(top, "a memory controller to make a cgroup in")
    folder = os.path.join(top or "", f"foldwatch-test-{uuid.uuid4().hex[:8]}")
    os.mkdir(folder)
    yield folder
    os.rmdir(folder)


def _has_memory(top: str) -> bool:
    probe = os.path.join(top, f"foldwatch-probe-{uuid.uuid4().hex[:8]}")
    try:
        os.mkdir(probe)
    except OSError:
        return False
    try:
        return os.path.exists(os.path.join(probe, "memory.stat"))
    finally:
        os.rmdir(probe)


@pytest.fixture(scope="session")
def promtool() -> str:
    """Give the path of promtool, from Debian's package prometheus."""
    path = shutil.which("promtool")
    need(path, "promtool (Debian's package prometheus)")
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


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Give the path of Prometheus, from Debian's package prometheus."""
    path = shutil.which("prometheus")
    need(path, "prometheus (Debian's package prometheus)")
    assert path is not None
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 KiB."""
    need(os.geteuid() == 0, "root, to mount a tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    need(done.returncode == 0, "leave to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
