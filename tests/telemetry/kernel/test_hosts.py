"""Host trees: what is read of each, against a golden file that a person has read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from telemetry.journal.records import encode
from telemetry.kernel.applied_limits import binding, read_applied_limits
from telemetry.kernel.reader import Reader
from telemetry.reading import LimitState
from tests.support.paths import TESTS
from tests.support.requirements import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.reading import Usage

HOSTS = os.path.join(TESTS, "hosts")
GOLDEN = os.path.join(TESTS, "golden", "hosts")
UNREADABLE = "unreadable.txt"
NAMES = sorted(entry.name for entry in os.scandir(HOSTS) if entry.is_dir())
PID = 42


def has_unreadable_files(name: str) -> bool:
    return os.path.exists(os.path.join(HOSTS, name, UNREADABLE))


@contextlib.contextmanager
def tree(name: str) -> Iterator[str]:
    """Give the host's tree; where it lists unreadable files, a copy in which an ordinary user sits."""
    recorded = os.path.join(HOSTS, name)
    if not has_unreadable_files(name):
        yield recorded
        return
    listed = os.path.join(recorded, UNREADABLE)
    need(os.geteuid() == 0, "root, to become a user who may not read")
    with tempfile.TemporaryDirectory() as place:
        root = os.path.join(place, name)
        shutil.copytree(recorded, root)
        os.chmod(place, 0o755)  # noqa: S103 - for the other user to pass
        with open(listed, encoding="ascii") as file:
            for path in file.read().split():
                there = os.path.join(root, path)
                if not os.path.exists(there):
                    os.mkdir(there)  # a listing that was refused: git keeps no empty folder
                os.chmod(there, 0)
        os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(0)


def seen(name: str) -> dict[str, object]:
    with tree(name) as root:
        return seen_in(root)


def seen_in(root: str) -> dict[str, object]:
    with contextlib.closing(Reader(root=root, pid=PID, clock=lambda: 0.0)) as reader:
        reading = reader.read()
    ceilings = read_applied_limits(root=root, pid=PID)
    tightest = binding(ceilings)
    return {
        "reading": json.loads(encode(reading)),
        "ceilings": [ceiling.as_json() for ceiling in ceilings],
        "binding": tightest.name if tightest else None,
    }


def pids(root: str) -> Usage:
    with contextlib.closing(Reader(root=root, pid=PID)) as reader:
        return reader.read().usage("pids_cgroup")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.root] if has_unreadable_files(name) else [])
        for name in NAMES
    ],
)
def test_a_host_is_read_as_its_golden_file_says(name: str, request: pytest.FixtureRequest) -> None:
    """Every number, every limit's state, every source and the binding ceiling."""
    path = os.path.join(GOLDEN, f"{name}.json")
    text = json.dumps(seen(name), indent=1) + "\n"
    if request.config.getoption("--update-golden"):
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        assert text == file.read()


def test_no_golden_file_is_stale() -> None:
    """Each belongs to a host."""
    assert sorted(os.listdir(GOLDEN)) == sorted(f"{name}.json" for name in NAMES)


def test_the_tighter_parent_binds() -> None:
    """20 left at the parent beat 100 left at the leaf, though the leaf's limit is the smaller."""
    root = os.path.join(HOSTS, "6.8__v2__parent_is_tighter")
    usage = pids(root)
    assert (usage.current, usage.limit, usage.headroom) == (580, 600, 20)


def test_a_lowered_limit_leaves_negative_headroom() -> None:
    """The kernel lets pids.current stand above pids.max."""
    root = os.path.join(HOSTS, "5.4__v1__docker_without_namespace")
    assert pids(root).headroom == -4


def test_an_empty_file_of_limits_costs_these_alone(tmp_path: Path) -> None:
    """The kernel gives one of a process that ends at this moment."""
    root = tmp_path / "host"
    shutil.copytree(os.path.join(HOSTS, "6.8__v2__parent_is_tighter"), root)
    (root / "proc" / str(PID) / "limits").write_bytes(b"")
    with contextlib.closing(Reader(root=str(root), pid=PID)) as reader:
        limits = reader.read().limits
    assert limits["nproc"] is limits["open_files"] is LimitState.UNREADABLE
    assert isinstance(limits["pids_cgroup"], int)


@pytest.mark.parametrize("level", ["inner", "", None])
def test_cgroups_that_an_oom_kill_ends_whole_are_told(tmp_path: Path, level: str | None) -> None:
    """As the kubelet sets it for a container; also where that cgroup has no limit of its own."""
    root = tmp_path / "host"
    shutil.copytree(os.path.join(HOSTS, "6.8__v2__parent_is_tighter"), root)
    outer = root / "sys/fs/cgroup/jobs/outer"
    (outer / "inner/memory.oom.group").write_text("0\n")
    (outer / "inner/memory.max").write_text("max\n")
    if level is not None:
        (outer / level / "memory.oom.group").write_text("1\n")
    found = read_applied_limits(root=str(root), pid=42)
    told = [limit.source for limit in found if "memory.oom.group is 1" in limit.note]
    place = os.path.join("/sys/fs/cgroup/jobs/outer", level or "").rstrip("/")
    assert told == ([] if level is None else [place])


def test_a_missing_process_is_one_line() -> None:
    """Not a traceback, and it names the place."""
    with pytest.raises(InputError, match="no process 43 in"):
        read_applied_limits(root=os.path.join(HOSTS, NAMES[0]), pid=43)
