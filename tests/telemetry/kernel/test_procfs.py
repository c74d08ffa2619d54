"""The formats of /proc, and the real files of this process."""

from __future__ import annotations

import os

import pytest

from telemetry.kernel.cgroup_controller import parse_event, parse_limit
from telemetry.kernel.cgroup_mounts import locate, parse_membership, parse_mounts
from telemetry.kernel.procfs import (
    ProcessFiles,
    parse_host_memory,
    parse_host_tasks,
    parse_soft_limits,
    parse_stat,
    parse_status,
)
from telemetry.kernel.tasks import tasks_of_user
from telemetry.reading import LimitState
from tests.support.programs import run_python


def test_a_name_cannot_pretend_to_be_a_field() -> None:
    """The kernel escapes newlines in names; blanks and parentheses it does not."""
    status = parse_status(b"Name:\tThreads: 9\nUid:\t7\t7\t7\t7\nThreads:\t3\nCapEff:\tff\n")
    assert (status.threads, status.real_uid, status.effective_capabilities) == (3, 7, 255)
    times = parse_stat(b"1 (a) b) (c) S " + b"0 " * 10 + b"300 200 " + b"0 " * 6 + b"77 0\n")
    assert (times.start_ticks, times.cpu_seconds) == (77, 5.0)


def test_a_zombie_has_no_memory_and_that_is_not_zero() -> None:
    """No Vm lines at all."""
    status = parse_status(b"Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n")
    assert (status.rss_bytes, status.virtual_bytes, status.data_bytes) == (None, None, None)
    assert status.threads == 1


def test_soft_limits_and_tasks() -> None:
    """Unlimited, a number, and a line that this kernel does not have."""
    text = b"Limit  Soft  Hard\nMax processes             96365      96365   processes\n"
    text += b"Max address space         unlimited   unlimited  bytes\n"
    assert parse_soft_limits(text) == {
        "nproc": 96365,
        "address_space": LimitState.UNLIMITED,
        "data_size": LimitState.INVISIBLE,
        "open_files": LimitState.INVISIBLE,
    }
    assert parse_host_tasks(b"0.2 0.1 0.1 1/80 123\n") == 80


@pytest.mark.parametrize(
    ("soft", "hard", "limit"),
    [
        (b"123000832", b"unlimited", 123000832),
        (b"unlimited", b"unlimited", LimitState.UNLIMITED),
        (b"0", b"unlimited", LimitState.UNLIMITED),
        (b"0", b"4096", 4096),
        (b"0", b"0", 0),
    ],
)
def test_a_data_size_of_0_stands_for_the_hard_limit(
    soft: bytes, hard: bytes, limit: int | LimitState
) -> None:
    """As mm/mmap.c has it; no other limit does that."""
    text = b"Max data size             %b   %b  bytes\n" % (soft, hard)
    assert parse_soft_limits(text)["data_size"] == limit
    assert parse_soft_limits(b"Max open files            0   64  files\n")["open_files"] == 0


@pytest.mark.parametrize(
    ("text", "used", "total"),
    [
        (b"MemTotal:    1000 kB\nMemFree:      10 kB\nMemAvailable:    400 kB\n", 600, 1000),
        (
            b"MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 500 kB\nSwapFree: 450 kB\n",
            650,
            1500,
        ),
        (b"MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", 600, 1000),
        (b"MemTotal: 1000 kB\nMemAvailable: 1200 kB\n", 0, 1000),
    ],
)
def test_the_memory_of_the_host_is_that_with_its_swap(text: bytes, used: int, total: int) -> None:
    """Page cache is available, and never is less than nothing used."""
    assert parse_host_memory(text) == (used * 1024, total * 1024)


def test_memory_that_is_not_told_is_not_0() -> None:
    """Linux before 3.14 has no MemAvailable."""
    with pytest.raises(ValueError, match="no MemAvailable"):
        parse_host_memory(b"MemTotal:    1000 kB\nMemFree:      10 kB\n")


def test_the_real_process_is_counted_right() -> None:
    """Threads, descriptors and maps move by what is done to them; in a process that no other test has been in."""
    outcome = run_python("-m", "tests.scripts.counted_process")
    assert outcome.code == 0, outcome.err


def test_tasks_of_a_user_include_this_process() -> None:
    """And nobody has a negative number of them."""
    assert tasks_of_user(os.getuid()) >= 1
    assert tasks_of_user(3_999_999_999) == 0


def test_a_process_that_ended_has_no_maps_rather_than_none_at_all() -> None:
    """Its file is empty: an error, not 0."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    files = ProcessFiles(pid=child)
    with pytest.raises(ProcessLookupError):
        files.maps()
    files.close()
    os.waitpid(child, 0)


def test_cgroup_texts() -> None:
    """Colons in a path, several controllers, escapes, and v1's way to write no limit."""
    assert parse_membership(b"4:cpu,cpuacct:/a:b\n0::/x\nbroken\n") == {
        "cpu": "/a:b",
        "cpuacct": "/a:b",
        "": "/x",
    }
    (mount,) = parse_mounts(
        b"1 2 0:3 /r /my\\040dir rw - cgroup2 c rw\n1 2 0:3 / / rw - ext4 d rw\n\n"
    )
    assert (mount.version, mount.root, mount.mountpoint) == (2, "/r", "/my dir")
    assert parse_limit(b"9223372036854771712\n") is LimitState.UNLIMITED
    assert parse_limit(b"max\n") is LimitState.UNLIMITED
    assert parse_limit(b"7680\n") == 7680
    assert parse_event(b"low 0\nmax 12\n", "max") == 12
    assert parse_event(b"low 0\n", "max") is None


def test_a_sibling_view_falls_back_to_the_mount() -> None:
    """A path outside the mounted subtree shows as ``/../x``."""
    location = locate("pids", b"0::/../x\n", b"1 2 0:3 / /cg rw - cgroup2 c rw\n")
    assert location is not None
    assert location.folders == ("/cg",)
    assert locate("pids", b"3:pids:/a\n", b"1 2 0:3 / /cg rw - cgroup2 c rw\n") is None
