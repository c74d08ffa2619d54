"""The command that gives room for the moment, with the real file, number and process."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.alerts.help_now import command_now
from telemetry.alerts.rules import ALERTING
from telemetry.reading import LimitState
from tests.support.builders import child, reading

LIMITS: dict[str, Any] = dict.fromkeys(ALERTING, 1000) | {"pid_max": 3_000_000}


@pytest.mark.parametrize(
    ("limit", "command"),
    [
        ("pids_cgroup", "echo 2000 > /sys/fs/cgroup/job/pids.max"),
        ("cgroup_memory", "echo 2000 > /sys/fs/cgroup/job/memory.max"),
        ("max_map_count", "sysctl -w vm.max_map_count=2000"),
        ("threads_max", "sysctl -w kernel.threads-max=2000"),
        ("pid_max", "sysctl -w kernel.pid_max=4194304"),
        ("nproc", "prlimit --pid 7 --nproc=2000"),
        ("open_files", "prlimit --pid 7 --nofile=2000"),
        ("address_space", "prlimit --pid 7 --as=2000"),
        ("data_size", "prlimit --pid 7 --data=2000"),
        ("host_memory", "ps aux --sort=-rss | head"),
    ],
)
def test_each_limit_that_alerts_has_its_command(limit: str, command: str) -> None:
    """The number is twice the limit, as far as the kernel takes it."""
    found = command_now(limit, reading(limits=LIMITS), folder="/sys/fs/cgroup/job")
    assert found == command
    assert command_now(limit, reading(limits={limit: LimitState.UNLIMITED})) == ""


def test_every_limit_that_alerts_is_among_them() -> None:
    """A new one needs a word here."""
    for limit in ALERTING:
        assert command_now(limit, reading(limits=LIMITS), folder="/a")


def test_the_cgroup_is_never_guessed_and_its_name_harms_no_shell() -> None:
    """Of version 1 memory has another file."""
    one = reading(limits=LIMITS)
    assert command_now("pids_cgroup", one) == "foldwatch limits --who --pid 7"
    hostile = command_now("pids_cgroup", one, folder="/a; rm -rf b")
    assert hostile == "echo 2000 > '/a; rm -rf b/pids.max'"
    old = command_now("cgroup_memory", one, folder="/sys/fs/cgroup/memory/job")
    assert old.endswith("/sys/fs/cgroup/memory/job/memory.limit_in_bytes")


def test_of_a_child_its_own_limit_is_raised() -> None:
    """By its own number."""
    found = command_now("open_files", reading(limits=LIMITS), child=child(812))
    assert found == "prlimit --pid 812 --nofile=2048"
