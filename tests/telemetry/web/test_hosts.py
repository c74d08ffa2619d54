"""The page of a host: what its runs use together, counted once, and who holds the rest."""

from __future__ import annotations

from typing import Any

from telemetry.daemon.live_state import LiveState
from telemetry.holders import HolderKind, LimitHolder
from telemetry.journal.records import Event
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from telemetry.web.hosts import SCOPES_SHOWN, host_state
from tests.support.builders import NOW, holders, reading, with_records

LIMITS = {"threads_max": 1000, "pid_max": 4000, "host_memory": 2**36, "pids_cgroup": 400}
USED: dict[str, Any] = {
    "host_tasks": 500,
    "host_memory_used_bytes": 2**34,
    "cgroup_pids": 386,
    "cgroup": "/job",
    "limits": LIMITS,
}


def going(
    name: str, threads: int, *records: Event, rank: str = "", host: str = "h", **values: Any
) -> Snapshot:
    known = USED | {"threads": threads, "rss_bytes": 2**30} | values
    fold = FoldSnapshot(fold=1, state=values.pop("state", FoldState.RUNNING))
    known.pop("state", None)
    fold = with_records(fold, [reading(1, **known), *records])
    return Snapshot(run=name, host=host, rank=rank, folds=(fold,))


def limits(*snapshots: Snapshot, host: str = "h") -> dict[tuple[str, str], dict[str, Any]]:
    board = LiveState(clock=lambda: NOW)
    board.publish(snapshots)
    return {(one["ceiling"], one["scope"]): one for one in host_state(board, host)["limits"]}


def test_each_limit_is_told_with_the_runs_that_use_it() -> None:
    """The largest first; another host's do not count."""
    found = limits(going("a", 30), going("b", 50), going("c", 9000, host="other"))
    assert set(found) == {
        ("threads_max", "host"),
        ("pid_max", "host"),
        ("host_memory", "host"),
        ("pids_cgroup", "/job"),
    }
    one = found["threads_max", "host"]
    assert (one["current"], one["limit"], one["of_runs"], one["runs_in_all"]) == (500, 1000, 80, 2)
    assert one["runs"] == [{"run": "b", "amount": 50}, {"run": "a", "amount": 30}]
    assert found["host_memory", "host"]["of_runs"] == 2 * 2**30


def test_the_fullest_limit_comes_first() -> None:
    """A cgroup for 400 before a host for 1,000."""
    assert next(iter(limits(going("a", 30)))) == ("pids_cgroup", "/job")


def test_each_cgroup_and_each_user_has_a_row_of_its_own() -> None:
    """They do not share what they may use."""
    own: dict[str, Any] = {"user_tasks": 640, "limits": LIMITS | {"nproc": 9000}}
    found = limits(
        going("a", 30, uid=1000, **own), going("b", 50, uid=1001, cgroup="/other", **own)
    )
    assert found["pids_cgroup", "/job"]["of_runs"] == 30
    assert found["pids_cgroup", "/other"]["of_runs"] == 50
    assert {found["nproc", f"user {uid}"]["of_runs"] for uid in (1000, 1001)} == {30, 50}
    assert found["threads_max", "host"]["of_runs"] == 80


def test_what_a_launcher_and_its_ranks_hold_counts_once() -> None:
    """The launcher's tree is that of the ranks."""
    launcher = going("r", 4, tree_threads=104, tree_pss_bytes=3 * 2**30)
    ranks = [going("r", 50, rank=str(number)) for number in range(2)]
    found = limits(launcher, *ranks)
    assert found["threads_max", "host"]["runs"] == [{"run": "r", "amount": 104}]
    assert found["host_memory", "host"]["of_runs"] == 3 * 2**30
    assert limits(*ranks)["threads_max", "host"]["of_runs"] == 100


def test_what_ended_or_is_silent_uses_nothing() -> None:
    """An old reading says nothing of now."""
    for state in (FoldState.STALE, FoldState.FINISHED, FoldState.DIED):
        assert limits(going("a", 30, state=state)) == {}


def test_who_holds_a_limit_is_told_with_what_to_do() -> None:
    """As it was looked at last."""
    neighbour = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="neigh.py", pid=812)
    older, newer = (
        Event(time=NOW - age, pid=7, name="holders", facts=found.facts())
        for age, found in ((60, holders(neighbour, used=331)), (1, holders(neighbour)))
    )
    told = limits(going("a", 30, older), going("b", 30, newer))["pids_cgroup", "/job"]["holders"]
    assert told["time"] == NOW - 1
    assert told["sentence"].startswith("pids_cgroup 386/400: neigh.py (pid 812) 331")
    assert "end or bound it" in told["advice"]


def test_a_host_that_nobody_knows_has_no_rows() -> None:
    """A link to it may be old."""
    board = LiveState(clock=lambda: NOW)
    board.publish([going("a", 30)])
    state = host_state(board, "<b>")
    assert (state["host"], state["limits"], state["runs"]) == ("<b>", [], [])


def test_the_answer_is_bounded() -> None:
    """Whatever cgroups the journals name."""
    board = LiveState(clock=lambda: NOW)
    board.publish([going(f"{number}", 3, cgroup=f"/{number}") for number in range(SCOPES_SHOWN)])
    state = host_state(board, "h")
    assert (len(state["limits"]), state["limits_left_out"]) == (SCOPES_SHOWN, 3)
