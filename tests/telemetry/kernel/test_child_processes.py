"""The children of a process one by one: their roles, their counts, how often those are taken, which are kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel.child_maps import (
    CAPACITY_SECONDS,
    RECOUNT_SECONDS,
    SHARE,
    MapCount,
    MapCounter,
)
from telemetry.kernel.child_memory import LABEL_SECONDS, ProportionalSizes
from telemetry.kernel.child_processes import ChildProcesses
from telemetry.kernel.child_roles import role_of
from telemetry.kernel.read_budget import SavedBudget
from telemetry.kernel.reader import Reader
from telemetry.kernel.syscalls import Buffer, folder_size
from telemetry.reading import CHILDREN_KEPT
from tests.support.process_tree import TRAIN, make_process, make_tree
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "name", "of_parent", "role"),
    [
        (TRAIN, b"pt_data_worker", TRAIN, "DataLoader worker"),
        (TRAIN, b"python", TRAIN, "forked worker"),
        (
            b"python\0-c\0from multiprocessing.spawn import spawn_main; spawn_main()\0--multiprocessing-fork\0",
            b"python",
            TRAIN,
            "multiprocessing worker",
        ),
        (
            b"python\0-c\0from multiprocessing.resource_tracker import main;main(5)\0",
            b"python",
            TRAIN,
            "resource tracker",
        ),
        (
            b"python\0-m\0joblib.externals.loky.backend.popen_loky_posix\0--process-name\0LokyProcess-1\0",
            b"python",
            TRAIN,
            "loky worker",
        ),
        (
            b"python\0-c\0from multiprocessing.forkserver import main; main(9)\0",
            b"python",
            TRAIN,
            "forkserver",
        ),
        (
            b"python\0-c\0from multiprocessing.forkserver import main; main(9)\0",
            b"python",
            b"python\0-c\0from multiprocessing.forkserver import main; main(9)\0",
            "forkserver's worker",
        ),
        (b"ray::train_epoch\0", b"ray::train_epoc", b"raylet\0", "Ray worker"),
        (
            b"/usr/bin/python3.12\0-u\0/job/train.py\0--token=x\0",
            b"python3.12",
            b"sh\0",
            "train.py",
        ),
        (b"python\0-m\0lightning.run\0model\0", b"python", b"", "lightning.run"),
        (b"python\0-c\0import secrets\0", b"python", b"", "python -c"),
        (b"/opt/bin/raylet\0--node\0", b"raylet", b"", "raylet"),
        (b"", b"a\nname", b"", "a?name"),
        (b"\xff\0", b"x", b"", "\N{REPLACEMENT CHARACTER}"),
        (b"x" * 500 + b"\0", b"x", b"", "x" * 60),
    ],
)
def test_a_role_is_told_from_the_command_line(
    command: bytes, name: bytes, of_parent: bytes, role: str
) -> None:
    """Its name tells PyTorch's; of an unknown one the program alone is told, for arguments may be secret."""
    assert role_of(command, name=name, of_parent=of_parent) == role


@pytest.mark.slow
def test_the_children_of_a_real_process() -> None:
    """Forked, started and of torchrun; with the maps and descriptors that each has."""
    outcome = run_python("-m", "tests.scripts.told_children")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["roles"] == ["forked worker", "python -c", "torchrun", "torchrun rank 1"]
    assert told["maps"] == told["maps_read_alone"]
    assert told["fds"] == told["fds_read_alone"]
    assert told["sum_of_maps"] == sum(told["maps"]) + told["own_maps"]
    assert 0 < told["pss"] < told["rss"]


def test_the_size_of_a_folder_is_that_which_python_reads(tmp_path: Path) -> None:
    """With the lock of the interpreter kept; a missing one is an error with its name."""
    (tmp_path / "a").write_bytes(b"x" * 70_000)
    buffer = Buffer(4096)
    assert folder_size(str(tmp_path / "a"), buffer) == 70_000
    with pytest.raises(FileNotFoundError, match="nothing"):
        folder_size(str(tmp_path / "nothing"), buffer)


def test_the_children_nearest_to_a_limit_are_kept_and_all_are_in_the_sums(tmp_path: Path) -> None:
    """By maps or by descriptors; of those about as near the oldest. A zombie counts as a process and nothing more."""
    pids = list(range(20, 35))
    make_tree(tmp_path, *pids, 66)
    for pid in pids:
        make_process(tmp_path, pid, 7, maps={30: 900}.get(pid, 5), fds={31: 95}.get(pid, 1))
    make_process(tmp_path, 66, 7)
    found = Reader(root=str(tmp_path), pid=7).read()
    assert found.children is not None
    assert [one.pid for one in found.children] == [31, 30, *range(20, 28)]
    assert len(found.children) == CHILDREN_KEPT
    assert (found.descendants, found.tree_threads) == (16, 34)
    assert (found.tree_maps, found.tree_open_fds) == (5 + 14 * 5 + 900, 1 + 14 + 95)
    assert found.tree_pss_bytes is None  # the recorded tree has none
    assert found.children[0].usage("open_files").ratio == 0.95
    assert "children" not in found.errors


def test_a_child_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    """It ended between two of its files."""
    make_tree(tmp_path, 20, 21)
    for pid in (20, 21):
        make_process(tmp_path, pid, 7)
    (tmp_path / "proc/20/stat").unlink()
    (tmp_path / "proc/21/maps").unlink()
    found = Reader(root=str(tmp_path), pid=7).read()
    assert found.children is not None
    assert [(one.pid, one.maps, one.open_fds) for one in found.children] == [(21, None, 1)]
    assert (found.tree_maps, found.tree_open_fds) == (None, None)
    assert found.descendants == 2


def test_another_process_of_the_same_pid_is_another_child(tmp_path: Path) -> None:
    """Nothing of the one before is known of it, neither its role nor its limits."""
    make_tree(tmp_path, 20)
    make_process(tmp_path, 20, 7)
    children = ChildProcesses(root=str(tmp_path), pid=7, buffer=Buffer(65536))
    (first,) = children.read([20], 1000).nearest
    stat = tmp_path / "proc/20/stat"
    stat.write_text(stat.read_text().replace(" 20\n", " 99\n"))
    (tmp_path / "proc/20/cmdline").write_bytes(b"raylet\0")
    (tmp_path / "proc/20/limits").write_text("Max open files     7      7   files\n")
    (second,) = children.read([20], 1000).nearest
    assert (first.role, first.start_ticks) == ("forked worker", 20)
    assert (second.role, second.start_ticks, second.limits["open_files"]) == ("raylet", 99, 7)


def test_a_limit_that_a_child_lowers_is_seen_once_it_uses_more(tmp_path: Path) -> None:
    """It was looked at before it had set its own limit, and was far from the one it had inherited."""
    make_tree(tmp_path, 20)
    make_process(tmp_path, 20, 7)
    children = ChildProcesses(root=str(tmp_path), pid=7, buffer=Buffer(65536))
    (before,) = children.read([20], 1000).nearest
    (tmp_path / "proc/20/limits").write_text("Max open files     7      7   files\n")
    (tmp_path / "proc/20/fd/100").touch()
    (after,) = children.read([20], 1000).nearest
    assert before.limits["open_files"] != 7
    assert after.limits["open_files"] == 7


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = self.step = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def grown(tmp_path: Path, one: MapCount, maps: int) -> None:
    """Make it have so many maps, and the size that goes with them."""
    (tmp_path / "maps").write_text("x\n" * maps)
    one.sizes = maps * 4096, 0


def test_maps_are_counted_again_when_the_size_changes(tmp_path: Path) -> None:
    """Else the count is good for a while: changes of protection split maps and leave the size."""
    clock = Clock()
    counter = MapCounter(Buffer(65536), clock=clock)
    one = MapCount(str(tmp_path / "maps"))
    grown(tmp_path, one, 5)
    counter.count([one], limit=1000)
    assert (one.count, one.is_current) == (5, True)
    clock.now = 1.0
    (tmp_path / "maps").write_text("x\n" * 9)
    counter.count([one], limit=1000)
    assert one.count == 5
    one.sizes = 9 * 4096, 0
    assert not one.is_current
    counter.count([one], limit=1000)
    assert (one.count, one.per_second) == (9, 4.0)
    (tmp_path / "maps").write_text("x\n" * 11)
    clock.now += RECOUNT_SECONDS
    counter.count([one], limit=1000)
    assert (one.count, one.is_unseen, one.is_current) == (11, True, False)


@pytest.mark.parametrize("seconds", [30, 300, 3000])
def test_what_is_saved_lasts_for_the_way_to_the_limit(
    seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it fills: near the limit it is counted again when half of what was left may be used up."""
    clock, cost = Clock(), Clock()
    counter = MapCounter(Buffer(65536), clock=clock)
    budget = SavedBudget(share=SHARE, capacity=CAPACITY_SECONDS, clock=clock, cost_clock=cost)
    monkeypatch.setattr(counter, "_budget", budget)
    count = counter._count  # noqa: SLF001 - what it costs is the machine's

    def dear(one: MapCount) -> None:
        count(one)
        cost.now += 0.02 * (one.count or 0) / 6_500

    monkeypatch.setattr(counter, "_count", dear)
    one, counts = MapCount(str(tmp_path / "maps")), []
    for step in range(seconds + 3):
        clock.now = float(step)
        grown(tmp_path, one, min(6_500, 6_500 * step // seconds))
        counter.count([one], limit=6_500)
        counts.append(one.count or 0)
    assert counts[-1] == 6_500
    assert any(6_175 <= level < 6_500 for level in counts)
    assert cost.now <= CAPACITY_SECONDS + SHARE * seconds + 0.02


def test_a_saved_budget_keeps_to_its_share() -> None:
    """But for what was saved at first, and the last block."""
    clock, cost = Clock(), Clock()
    budget = SavedBudget(share=0.001, capacity=0.05, clock=clock, cost_clock=cost)
    for _ in range(100_000):
        clock.now += 0.01
        if budget.left > 0:
            with budget:
                cost.now += 0.007
    assert 0.9 <= cost.now / (0.001 * clock.now + 0.05) <= 1.1


def test_children_are_looked_at_within_their_budget_between_labels(tmp_path: Path) -> None:
    """Labels may use up what is left; a process without children is always known to have none."""
    make_tree(tmp_path)
    clock = Clock()
    children = ChildProcesses(root=str(tmp_path), pid=7, buffer=Buffer(65536), clock=clock)
    assert children.is_due([], in_full=False)
    budget = children.budget
    budget._cost_clock = cost = Clock()  # noqa: SLF001 - what it costs is the machine's
    with budget:
        cost.now += 0.03
    assert [children.is_due([20], in_full=full) for full in (False, True)] == [False, True]
    with budget:
        cost.now += 0.03
    assert not children.is_due([20], in_full=True)
    clock.now += 3600
    assert children.is_due([20], in_full=False)


def test_a_label_waits_for_no_more_than_some_of_the_sizes(tmp_path: Path) -> None:
    """The sum is there once each was read; what may not be read is left out of it, and what is gone too."""
    clock = Clock()
    sizes = ProportionalSizes(clock=clock)
    folders = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        folders.append(str(folder))
        if number:
            (folder / "smaps_rollup").write_text(f"Rss: 99 kB\nPss: {number} kB\nPss_Dirty: 7 kB\n")
    clock.step = LABEL_SECONDS / 2
    assert sizes.read(folders, in_full=True) is None
    assert sizes.of(folders[-1]) is None
    assert sizes.read(folders, in_full=False) == (1 + 2 + 3) * 1024
    assert sizes.of(folders[-1]) == 3 * 1024
    assert sizes.read(folders[:3], in_full=False) == (1 + 2) * 1024
