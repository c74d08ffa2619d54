"""Who holds a limit: by one look at the processes of this host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from telemetry.holders import HolderKind, Holders, LimitHolder
from telemetry.kernel.holders import read_holders
from telemetry.kernel.reader import Reader
from telemetry.kernel.tasks import tasks_of_user
from tests.support.builders import reading
from tests.support.crowds import crowd, script

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.reading import Reading
    from tests.support.cgroups import RealCgroup


def own_reading() -> Reading:
    reader = Reader()
    try:
        return reader.read()
    finally:
        reader.close()


def of_kind(found: Holders, kind: HolderKind) -> list[LimitHolder]:
    return [holder for holder in found.top if holder.kind == kind]


def test_the_host_s_tasks_are_told_apart_from_this_run_s() -> None:
    """This process's threads are this run's, its children too."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        (found,) = read_holders(own_reading(), ["threads_max"])
        child.communicate(b"\n")
    (run,) = of_kind(found, HolderKind.RUN)
    assert run.processes >= 2
    assert run.amount >= threading.active_count() + 1
    assert found.scope == "host"
    assert 0 < found.used <= found.most


def test_memory_is_told_by_process_and_the_rest_as_of_none() -> None:
    """Files in tmpfs, page cache and the kernel's own are of no process."""
    (found,) = read_holders(own_reading(), ["host_memory"])
    (run,) = of_kind(found, HolderKind.RUN)
    assert run.amount >= 2**20
    assert found.unseen == max(0, found.used - found.others - sum(one.amount for one in found.top))


def test_descriptors_are_told_by_what_they_are(tmp_path: Path) -> None:
    """The limit is of one process: another's files do not count."""
    path = tmp_path / "left-open.log"
    files = [path.open("w") for _ in range(200)]
    try:
        (found,) = read_holders(own_reading(), ["open_files"])
    finally:
        for file in files:
            file.close()
    assert found.top[0].amount == 200
    assert found.top[0].name.endswith("left-open.log")
    assert "left-open.log" in found.advice


def test_a_user_s_tasks_are_those_that_the_limit_counts() -> None:
    """As `tasks_of_user` counts them, give or take what starts meanwhile."""
    uid = os.getuid()
    one = reading(None, pid=os.getpid(), uid=uid, limits={"nproc": 10**6})
    (found,) = read_holders(replace(one, user_tasks=tasks_of_user(uid)), ["nproc"])
    assert found.scope == f"user {uid}"
    assert not found.has_unseen


def test_what_there_is_no_time_for_is_not_seen() -> None:
    """A host with very many processes costs no more than is allowed."""
    ticks = iter([0.0, *[1.0] * 10_000])
    (found,) = read_holders(
        own_reading(), ["threads_max"], within_seconds=0.5, clock=lambda: next(ticks)
    )
    assert found.has_unseen
    assert "cannot be seen" in found.advice


def test_a_limit_without_a_number_has_no_holders() -> None:
    """Nothing counts against it."""
    assert read_holders(reading(None), ["pids_cgroup", "max_map_count"]) == []


@pytest.mark.slow
@pytest.mark.root
def test_processes_in_cgroups_below_count_and_ranks_are_of_one_run(
    pids_cgroup: RealCgroup, tmp_path: Path
) -> None:
    """The limit of a cgroup is for all below it; what one launcher starts several times is one run."""
    pids_cgroup.limit(100)
    below = pids_cgroup.child("below")
    rank = str(shutil.copy(script("neigh.py"), tmp_path / "rank.py"))
    with (
        crowd(below, script("zomb.py"), 4) as parent,
        crowd(pids_cgroup, rank, 20) as pid,
        crowd(below, rank, 30),
    ):
        reader = Reader(pid=pid)
        (found,) = read_holders(reader.read(), ["pids_cgroup"])
        reader.close()
    assert found.scope == pids_cgroup.folder
    assert {(one.kind, one.name, one.amount, one.pid, one.processes) for one in found.top} == {
        (HolderKind.RUN, "", 50, None, 2),
        (HolderKind.ZOMBIES, "zomb.py", 4, parent, 4),
        (HolderKind.PROGRAM, "zomb.py", 1, parent, 1),
    }
    assert (found.used, found.unseen) == (55, 0)


@pytest.mark.slow
@pytest.mark.root
def test_zombies_of_the_run_itself_are_told_as_such(pids_cgroup: RealCgroup) -> None:
    """Its own step mends them, and not fewer threads."""
    pids_cgroup.limit(100)
    with crowd(pids_cgroup, script("zomb.py"), 40) as pid:
        reader = Reader(pid=pid)
        (found,) = read_holders(reader.read(), ["pids_cgroup"])
        reader.close()
    assert found.sentence == "pids_cgroup 41/100: this run (40 zombies of zomb.py) 41"
    assert found.advice.startswith(f"zomb.py (pid {pid}) must reap its 40 zombies")
