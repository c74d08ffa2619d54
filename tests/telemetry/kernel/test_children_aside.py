"""The children that another thread looks at: a label waits for none of them, and says when they were seen."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel.children_aside import FRESH_SECONDS, ChildrenAside
from telemetry.kernel.reader import Reader
from telemetry.recorder.sampler import Sampler
from tests.support.process_tree import make_process, make_tree
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun(root: Path, clock: Clock, *children: int) -> Reader:
    """Give a reader of process 7, whose children are known to it."""
    make_tree(root, *children)
    for pid in children:
        make_process(root, pid, 7)
    aside = ChildrenAside(pid=7, root=str(root), clock=clock)
    reader = Reader(root=str(root), pid=7, clock=clock, children=aside)
    reader.hold()
    return reader


@pytest.mark.parametrize("name", ["maps", "smaps_rollup", "cmdline"])
def test_a_label_waits_for_no_child(name: str, tmp_path: Path) -> None:
    """While one is looked at whose file lets nobody read it: neither by itself, nor for the lock of the interpreter."""
    reader = begun(tmp_path, Clock(), 20)
    file = tmp_path / "proc/20" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)  # opening it waits for a writer
    sampler = Sampler(reader=reader, lines=io.StringIO())
    look = threading.Thread(target=reader.children.look)
    look.start()
    meanwhile = sampler.checkpoint("MEANWHILE")
    writer = os.open(file, os.O_WRONLY)  # which returns once the other thread is there
    still = sampler.checkpoint("STILL")  # where it reads, if it has opened a pipe like a file
    os.close(writer)
    look.join()
    after = sampler.checkpoint("AFTER")
    assert meanwhile.children is None
    assert [one.descendants for one in (meanwhile, still, after)] == [1] * 3
    assert [child.pid for child in after.children or ()] == [20]


def test_the_timer_looks_at_the_children(tmp_path: Path) -> None:
    """The sample after it tells them."""
    sampler = Sampler(reader=begun(tmp_path, Clock(), 20), lines=io.StringIO())
    sampler.begin_timer(0.001)
    seen = wait_until(
        lambda: sampler.latest if sampler.latest and sampler.latest.children else None,
        30,
        "the children",
    )
    sampler.stop()
    assert [child.maps for child in seen.children or ()] == [5]


def test_a_label_tells_what_was_seen_last_and_when(tmp_path: Path) -> None:
    """Without what has ended since, which is counted now; not for long."""
    clock = Clock()
    reader = begun(tmp_path, clock, 20, 21)
    reader.children.look()
    clock.now += 3
    (tmp_path / "proc/20/maps").write_text("1000-2000 r--p 00000000 00:00 0\n" * 9)
    (tmp_path / "proc/7/task/7/children").write_text("20")
    label = reader.read()
    assert [(one.pid, one.maps) for one in label.children or ()] == [(20, 5)]
    assert (label.time - (label.children_time or 0), label.descendants) == (3, 1)
    assert label.tree_maps == 5 + 2 * 5
    clock.now += FRESH_SECONDS
    stale = reader.read()
    assert (stale.children, stale.children_time, stale.tree_maps) == (None, None, None)
    assert (stale.descendants, stale.tree_threads) == (1, 4)


def test_samples_tell_once_what_was_seen(tmp_path: Path) -> None:
    """The second one leaves it out, as it does with what is read seldom; of no children all is known."""
    begun(tmp_path, Clock(), 20)
    aside = ChildrenAside(pid=7, root=str(tmp_path), clock=Clock())
    found = [aside.find([20], 1000, in_full=False)]
    aside.look()
    found += [aside.find([20], 1000, in_full=False) for _ in range(2)]
    assert [one and [child.pid for child in one.nearest] for one in found] == [None, [20], None]
    assert aside.find([], 1000, in_full=False) == aside.find([], 1000, in_full=True)
