"""The page Why EAGAIN: what it says that was measured is measured again, limit by limit."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.scripts.why_eagain import LIMITS
from tests.support.paths import ROOT
from tests.support.requirements import need

if TYPE_CHECKING:
    from tests.support.cgroups import RealCgroup

MEASURE = "tests.scripts.why_eagain"


def rows() -> dict[str, tuple[str, str]]:
    """Return the page's table: by limit what a new thread and a new process come to."""
    with open(os.path.join(ROOT, "docs/why-eagain.md"), encoding="utf-8") as file:
        table = file.read().partition("| limit that is hit |")[2].partition("\n\n")[0]
    found = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|", table, re.MULTILINE)
    return {name: (thread, process.strip("*")) for name, thread, process in found}


def measure(limit: str, *before: str) -> tuple[str, ...]:
    """Return what a thread and a fork come to in a process that has filled ``limit``."""
    done = subprocess.run(
        [*before, sys.executable, "-m", MEASURE, limit],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return tuple(done.stdout.split())


def test_every_row_is_measured() -> None:
    """None without a measurement, none unmeasured."""
    assert rows().keys() == LIMITS.keys()


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_NPROC", "max_map_count"])
def test_a_limit_of_the_process_or_the_user(limit: str) -> None:
    """Set and filled by the process itself."""
    assert measure(limit) == rows()[limit]


def test_pids_cgroup(pids_cgroup: RealCgroup) -> None:
    """In a real one."""
    pids_cgroup.limit(20)
    done = pids_cgroup.run_module(MEASURE, "pids cgroup")
    assert tuple(done.out.split()) == rows()["pids cgroup"]


@pytest.mark.root
def test_pid_max_of_a_namespace() -> None:
    """A namespace of its own has one of its own, so that the host's stays as it was."""
    need(os.geteuid() == 0 and shutil.which("unshare"), "root and unshare, of util-linux")
    version = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if version < (6, 14):
        pytest.skip("before Linux 6.14 a write inside would change the host's")
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:
        before = file.read()
        assert measure("pid_max", "unshare", "--pid", "--fork", "--mount-proc") == rows()["pid_max"]
        file.seek(0)
        assert file.read() == before
