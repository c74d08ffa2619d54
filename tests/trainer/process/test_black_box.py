"""The last minute of a process that died: a burst is in it with its shape, and a healthy end leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.run_layout import BLACK_BOX
from telemetry.kernel.quick_look import Counters
from telemetry.reading import Reading
from tests.support.builders import child, reading
from tests.support.paths import ROOT
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.agent.order import Order
from trainer.process.black_box import SLOW_SECONDS, VARIABLE, BlackBox, is_death
from trainer.process.box_ring import BoxRing, Seen, readings_of
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from telemetry.journal.records import Record

SECONDS = 60
BURSTS = "tests.scripts.burst_of_"


def started(place: Path, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    """Start an agent that runs Python with these arguments as fold 1."""
    RunDirectory(str(place / "run")).create()
    command = (sys.executable, *arguments)
    known: dict[str, Any] = {"run_dir": str(place / "run"), "folds": 3, "fold": 1}
    order = Order(
        command=command, config_digest="c", environment={"PYTHONPATH": ROOT}, **known | how
    )
    (place / "order.json").write_text(order.encode())
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.agent", str(place / "order.json")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def died(place: Path, *arguments: str, **how: Any) -> list[Reading]:
    """Let a fold run to its end; return what is in its black box."""
    agent = started(place, *arguments, **how)
    try:
        _, err = agent.communicate(timeout=SECONDS)
    finally:
        agent.kill()
    assert "Traceback" not in err, err
    return in_box(place / "run" / "fold-1" / BLACK_BOX)


def in_box(path: Path) -> list[Reading]:
    """Return the readings of a black box; none where there is no file."""
    if not path.exists():
        return []
    follower = JournalFollower(str(path))
    found: list[Record] = follower.finish()
    assert follower.skipped == []
    return [one for one in found if isinstance(one, Reading)]


def rising(values: Sequence[int]) -> bool:
    """Whether values rise up to the highest one, which comes among the last."""
    until = values[: values.index(max(values)) + 1]
    return all(one <= other for one, other in pairwise(until))


@pytest.mark.slow
def test_a_burst_of_maps_until_the_limit_is_in_the_record_with_its_shape(tmp_path: Path) -> None:
    """Its address space at every look, its maps where there may have been many more; and it is evidence of the cause."""
    found = died(tmp_path, "-m", f"{BURSTS}maps")
    sizes = [one.virtual_bytes for one in found if one.virtual_bytes is not None]
    assert len(set(sizes)) >= 20
    counts = [one.maps for one in found if one.maps is not None]
    assert len(counts) >= 3
    assert counts[0] < 1_000
    assert max(counts) > 30_000
    assert rising(counts)
    failure = json.loads((tmp_path / "run/fold-1/failure.json").read_text())
    (cause,) = (one for one in failure["causes"] if one["cause"] == "max_map_count")
    assert any("memory maps went from" in words for words in cause["evidence"])


@pytest.mark.slow
def test_a_burst_of_threads_is_in_the_record_with_its_shape(tmp_path: Path) -> None:
    """Of 3,000 in about a second."""
    threads = [one.threads or 0 for one in died(tmp_path, "-m", f"{BURSTS}threads")]
    assert len(set(threads)) >= 20
    assert max(threads) > 2_000
    assert rising(threads)


@pytest.mark.root
@pytest.mark.slow
def test_a_burst_of_threads_to_the_limit_of_the_cgroup_is_in_the_record(tmp_path: Path) -> None:
    """The tasks of the cgroup rise to its limit."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    name = f"foldwatch-test-{os.getpid()}"
    found = died(tmp_path, "-m", f"{BURSTS}threads", pids=1_500, cgroup_name=name)
    tasks = [one.cgroup_pids for one in found if one.cgroup_pids is not None]
    assert max(tasks) > 1_000
    assert rising(tasks)
    assert found[-1].limits["pids_cgroup"] == 1_500


@pytest.mark.slow
def test_the_record_is_private_and_of_the_process_that_died(tmp_path: Path) -> None:
    """As its journal is."""
    found = died(tmp_path, "-c", "import os; os.abort()")
    path = tmp_path / "run/fold-1" / BLACK_BOX
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (ended,) = (
        one
        for one in JournalFollower(str(path.with_name("journal.jsonl"))).finish()
        if getattr(one, "name", "") == "exited"
    )
    assert {one.pid for one in found} == {ended.pid}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "switch"), [("pass", ""), ("raise SystemExit(3)", "off")], ids=["healthy", "off"]
)
def test_a_healthy_end_or_one_without_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, switch: str
) -> None:
    """No file at all."""
    monkeypatch.setenv(VARIABLE, switch)
    assert died(tmp_path, "-c", code) == []
    names = os.listdir(tmp_path / "run/fold-1")
    assert [name for name in names if name.startswith(BLACK_BOX)] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_agent_that_is_ended_leaves_no_half_of_it(tmp_path: Path, number: int) -> None:
    """Whether it may say that the fold was stopped, or is gone at once."""
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(600)"
    agent = started(tmp_path, "-c", code)
    mark = tmp_path / "pid"
    wait_until(lambda: mark.exists() and mark.read_text().endswith("."), SECONDS, "the fold")
    agent.send_signal(number)
    agent.communicate(timeout=SECONDS)
    wait_for_end(int(mark.read_text()[:-1]))
    names = os.listdir(tmp_path / "run/fold-1")
    assert [name for name in names if name.startswith(BLACK_BOX)] == []


def test_a_disk_that_is_nearly_full_is_left_to_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is still to be written; it is said why there is none."""
    path = tmp_path / BLACK_BOX
    box = BlackBox(os.getpid())
    box.start()
    wait_until(lambda: next(box.seen(), None), SECONDS, "a look")
    usual = os.statvfs(tmp_path)
    full = os.statvfs_result((*usual[:4], 0, *usual[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(OSError, match="No space left") as raised:
        box.write(str(path))
    assert raised.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    """A process that is gone: no file, no exception, and the one that is followed then is seen."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    box = BlackBox(gone.pid)
    box.start()
    box.write(str(tmp_path / BLACK_BOX))
    assert os.listdir(tmp_path) == []
    box = BlackBox(gone.pid)
    box.start()
    box.follow(reading(1, pid=os.getpid(), start_ticks=4, children=(child(gone.pid),)))
    wait_until(lambda: next(box.seen(), None), 30 * SLOW_SECONDS, "a look")
    box.write(str(tmp_path / BLACK_BOX))
    found = in_box(tmp_path / BLACK_BOX)
    assert {(one.pid, one.start_ticks, one.children) for one in found} == {(os.getpid(), 4, None)}


def test_the_child_that_is_nearest_to_a_limit_is_looked_at_beside_it(tmp_path: Path) -> None:
    """Its threads and its maps; by the role that it was known by, also once it is gone."""
    box = BlackBox(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        near = child(other.pid, start_ticks=None)
        box.follow(reading(1, pid=os.getpid(), children=(near, child(1)), limits=near.limits))
        box.start()

        def told() -> bool:
            children = [known for one in box.seen() for known in one.children or ()]
            return any(known.maps is not None for known in children)

        wait_until(told, SECONDS, "a count of its maps")
        box.follow(
            reading(1, pid=os.getpid(), children=())
        )  # it is not told of any more: it has died
        box.write(str(tmp_path / BLACK_BOX))
    found = [known for one in in_box(tmp_path / BLACK_BOX) for known in one.children or ()]
    assert {(known.name, known.threads) for known in found} == {(near.name, 1)}


def test_it_keeps_the_newest_in_the_memory_that_it_has() -> None:
    """However much there was before."""
    ring = BoxRing(rows=4)
    for number in range(1, 11):
        seen = Seen((7, None), Counters(2**20 * number, 2**20, 4096, number), None)
        ring.append(seen, None, at=float(number), pids=None, memory_bytes=None)
    found = list(readings_of(ring.rows(), limits={"max_map_count": 65530}, roles={}))
    assert [one.threads for one in found] == [7, 8, 9, 10]
    assert [one.time for one in found] == [7.0, 8.0, 9.0, 10.0]
    assert (found[0].maps, found[0].cgroup_pids, found[0].start_ticks) == (None, None, None)


def test_looks_that_say_the_same_are_two_readings() -> None:
    """Its first and its last; a child's role and limits are those that it is known by."""
    ring = BoxRing()
    own = Seen((7, 1), Counters(2**20, 2**20, 4096, 3), 50)
    other = Seen((812, 5), Counters(2**20, 2**19, 4096, 4), 900)
    for number in range(5):
        ring.append(own, other, at=float(number), pids=12, memory_bytes=2**30)
    ring.append(own, None, at=5.0, pids=12, memory_bytes=2**30)
    limits = {"max_map_count": 65530, "pids_cgroup": 512, "open_files": 1024}
    found = list(readings_of(ring.rows(), limits=limits, roles={(812, 5): "DataLoader worker"}))
    assert [one.time for one in found] == [0.0, 4.0, 5.0]
    assert found[0].limits == {"max_map_count": 65530, "pids_cgroup": 512}
    (known,) = found[0].children or ()
    assert (known.name, known.maps, known.limits) == (
        "DataLoader worker pid 812",
        900,
        {"max_map_count": 65530},
    )
    assert found[-1].children is None


@pytest.mark.parametrize(
    "facts", [{"exit_code": 1}, {"exit_code": 134, "signal": "SIGABRT"}, {}], ids=str
)
def test_an_end_in_trouble_is_a_death(facts: dict[str, Any]) -> None:
    """And so is one of which nobody knows how it was."""
    assert is_death(facts)


@pytest.mark.parametrize(
    "facts", [{"exit_code": 0}, {"exit_code": 143, "by_runner": True, "why": "timeout"}], ids=str
)
def test_a_good_end_is_none_nor_one_that_the_runner_made(facts: dict[str, Any]) -> None:
    """Why it was ended is known."""
    assert not is_death(facts)
