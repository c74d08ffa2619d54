"""Thread pools, descendants, kinds of maps, pressure, pace: what a reading says beside its counts."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel.memory_maps import maps_by_kind, read_maps_by_kind
from telemetry.kernel.pressure import PressureFiles, parse_pressure
from telemetry.kernel.read_budget import SHARE, ReadBudget
from telemetry.kernel.reader import Reader
from telemetry.kernel.tasks import POOLS_KEPT, pool_name, read_descendants, read_tasks
from telemetry.reading import Reading, latest_known
from telemetry.reading_difference import changes, difference, named
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "pool"),
    [
        ("tf_Compute/12", "tf_Compute"),
        ("tf_Compute", "tf_Compute"),
        ("OpenMP-3", "OpenMP"),
        ("worker_7", "worker"),
        ("pool-1-thread-2", "pool-1-thread"),
        ("python3", "python"),
        ("42", "42"),
        ("", ""),
    ],
)
def test_a_pool_is_the_name_without_its_number(name: str, pool: str) -> None:
    """Digits at the end, and the sign before them."""
    assert pool_name(name) == pool


def test_the_pools_of_a_real_process() -> None:
    """Threads that name themselves as TensorFlow's do."""
    stop, ready = threading.Event(), threading.Barrier(9)
    libc = ctypes.CDLL(None)

    def work(number: int) -> None:
        libc.prctl(15, f"tf_Compute/{number}".encode(), 0, 0, 0)  # PR_SET_NAME
        ready.wait()
        stop.wait()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    ready.wait()
    try:
        assert read_tasks(os.getpid()).pools["tf_Compute"] == 8
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_pools_are_bounded_and_none_is_lost(tmp_path: Path) -> None:
    """20 by name, the rest together."""
    for tid in range(100):
        folder = tmp_path / "proc/7/task" / str(tid)
        folder.mkdir(parents=True)
        (folder / "comm").write_text(f"pool {chr(97 + tid % 26)}x\n")
        (folder / "children").write_text("")
    pools = read_tasks(7, root=str(tmp_path)).pools
    assert len(pools) == POOLS_KEPT + 1
    assert sum(pools.values()) == 100


def test_descendants_of_a_real_process_down_to_the_grandchildren() -> None:
    """Also one that a thread other than the main one started; in a process without those of other tests."""
    outcome = run_python("-m", "tests.scripts.counted_descendants")
    assert outcome.code == 0, outcome.err


def test_a_kernel_without_children_files_is_asked_through_psutil(tmp_path: Path) -> None:
    """CONFIG_PROC_CHILDREN off: the folder is there and the file is not."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        pid = os.getpid()
        (tmp_path / f"proc/{pid}/task/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/task/{pid}/comm").write_text("python\n")
        (tmp_path / f"proc/{child.pid}/task/{child.pid}").mkdir(parents=True)
        status = f"Name:\tx\nPPid:\t{pid}\nThreads:\t3\nVmRSS:\t10 kB\n"
        (tmp_path / f"proc/{child.pid}/status").write_text(status)
        root = str(tmp_path)
        (found,) = read_descendants(pid, read_tasks(pid, root=root).children, root=root)
        assert (found.status.threads, found.status.rss_bytes) == (3, 10240)
        child.communicate(b"\n")


def test_kinds_of_maps() -> None:
    """A stack is its guard and what is above it; a guard alone is anonymous; vsyscall is none."""
    text = b"\n".join(
        [
            b"1000-2000 ---p 00000000 00:00 0 ",
            b"2000-9000 rw-p 00000000 00:00 0 ",
            b"a000-b000 ---p 00000000 00:00 0 ",
            b"c000-d000 rw-p 00000000 00:00 0 ",
            b"e000-f000 rw-p 00000000 00:00 0                          [heap]",
            b"10000-11000 r--p 00000000 fe:00 393 /usr/lib/a b.so",
            b"12000-13000 rw-s 00000000 00:06 4 /dev/nvidia0",
            b"13000-14000 rw-s 00000000 00:06 4 /dev/shm/x",
            b"14000-15000 r--p 00000000 00:00 0 [vvar]",
            b"15000-16000 rw-p 00000000 00:00 0 [anon:glibc: malloc]",
            b"ffff-ffffff --xp 00000000 00:00 0 [vsyscall]",
            b"torn",
        ]
    )
    assert maps_by_kind(text) == {
        "anonymous": 3,
        "thread stack": 2,
        "heap": 1,
        "file": 2,
        "device": 1,
        "other": 1,
    }


def test_the_kinds_of_a_real_process_add_up() -> None:
    """And anonymous memory that is mapped shows as anonymous."""
    before = read_maps_by_kind(os.getpid())
    # Every other one without permissions, so that the kernel cannot merge neighbours.
    held = [mmap.mmap(-1, 4096, prot=mmap.PROT_READ) for _ in range(10)]
    held += [mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_WRITE) for _ in range(2)]
    after = read_maps_by_kind(os.getpid())
    assert sum(after.values()) >= sum(before.values()) + 1
    total = Reader().read().maps
    assert total is not None
    assert abs(sum(after.values()) - total) <= 3
    for memory in held:
        memory.close()


def test_pressure() -> None:
    """Microseconds become seconds; a file without totals is refused."""
    text = b"some avg10=7.60 avg60=6.77 avg300=2.31 total=10868271\nfull avg10=0 total=5\n"
    assert parse_pressure(text) == {"some": 10.868271, "full": 5e-06}
    with pytest.raises(ValueError, match="no total"):
        parse_pressure(b"some avg10=7.60\n")


@pytest.mark.parametrize(
    ("path", "own", "scope"),
    [
        ("/job", "job/cpu.pressure", "cgroup"),
        (
            "/",
            "cgroup.events",
            "cgroup",
        ),  # a container, whose cgroup is where the hierarchy is mounted
        ("/", "cgroup.procs", "host"),
        ("/gone", "cgroup.procs", "host"),
    ],
)
def test_pressure_is_that_of_the_own_cgroup_where_there_is_one(
    tmp_path: Path, path: str, own: str, scope: str
) -> None:
    """Else of the host, and it says which."""
    cgroup, folders = tmp_path / "cg", [tmp_path / "proc/pressure", tmp_path / "cg"]
    process = tmp_path / "proc/7"
    for folder in (*folders, cgroup / "job", process):
        folder.mkdir(parents=True, exist_ok=True)
    (process / "cgroup").write_text(f"0::{path}\n")
    (process / "mountinfo").write_text("36 24 0:30 / /cg rw - cgroup2 cgroup2 rw\n")
    (cgroup / own).write_text("")
    for name in ("cpu", "memory", "io"):
        (tmp_path / "proc/pressure" / name).write_text("some total=1000000\n")
        for folder in (cgroup, cgroup / "job"):
            (folder / f"{name}.pressure").write_text("some total=2000000\n")
    files = PressureFiles(root=str(tmp_path), pid=7)
    assert files.read()["cpu_some"] == (2 if scope == "cgroup" else 1)
    assert files.scope == scope
    files.close()


def test_a_pace_keeps_to_its_share() -> None:
    """What a source took decides when it is due again."""
    now = 0.0
    pace = ReadBudget(clock=lambda: now)
    spent = 0.0
    for _ in range(100_000):
        now += 0.01
        if pace.is_due():
            with pace:
                now += 0.02
                spent += 0.02
    assert spent <= SHARE * now + 0.02
    assert spent > 0.5 * SHARE * now


def test_a_dear_source_is_left_out_between_labels_and_is_no_error() -> None:
    """Maps are read at every label, and between labels when due; the last known value is shown."""
    reader = Reader()
    first = reader.read(in_full=False)
    second = reader.read(in_full=False)
    label = reader.read()
    assert (first.maps, second.maps, label.maps) == (first.maps, None, label.maps)
    assert first.maps
    assert label.maps
    assert "maps" not in second.errors
    assert latest_known(first, second).maps == first.maps
    other = Reading(time=0.0, pid=second.pid + 1)
    assert latest_known(first, other).maps is None


def test_a_difference_in_numbers_and_in_words() -> None:
    """Largest first, nothing that is the same, and nothing that was not read twice."""
    before = Reading(time=0.0, pid=1, threads=10, maps=5, pools={"a": 1, "b": 4})
    after = Reading(time=1.0, pid=1, threads=34, rss_bytes=5, pools={"a": 9, "b": 4, "c": 16})
    found = difference(before, after)
    assert (found.numbers, found.pools) == ({"threads": 24}, {"c": 16, "a": 8})
    assert str(found) == "threads +24; pools: 16 `c` and 8 `a`"
    assert str(difference(before, before)) == "no difference"
    assert changes(None, {"a": 1}) == {}
    assert named({"a": 1, "b": 2, "c": -3}) == "1 `a`, 2 `b` and -3 `c`"
    assert named({}) == "none"
