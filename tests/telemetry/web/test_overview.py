"""The overview: a healthy run asks for nobody, and who needs somebody first stands first."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts.alert import Alert, Severity
from telemetry.daemon.live_state import LiveState
from telemetry.reading import LimitState
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, RunKey, Snapshot
from telemetry.web.overview import ROWS_SHOWN, encoded_overview, overview
from tests.support.builders import NOW, child, reading, with_records

if TYPE_CHECKING:
    from collections.abc import Iterable

GIBI = 2**30


def going(name: str = "r", *, rank: str = "", host: str = "h", **values: Any) -> Snapshot:
    """Give a run in its second fold of three, whose process has 1,850 of 65,530 maps and ``values``."""
    known: dict[str, Any] = {"maps": 1850, "limits": {"max_map_count": 65_530}}
    fold = FoldSnapshot(fold=2, state=FoldState.RUNNING)
    fold = with_records(fold, [reading(2, stage="AFTER FIT", **(known | values))])
    return Snapshot(run=name, host=host, rank=rank, fold_count=3, folds=(fold,))


def ended(name: str, state: FoldState, *, ago: float = 60.0, **values: Any) -> Snapshot:
    """Give a run of one fold that ended so many seconds ago."""
    latest = reading(1, NOW - ago, maps=1850, limits={"max_map_count": 65_530})
    fold = FoldSnapshot(fold=1, state=state, latest=latest, ended_at=NOW - ago, **values)
    return Snapshot(run=name, host="h", folds=(fold,), is_over=True)


def growth(verdict: str, **values: Any) -> GrowthSnapshot:
    return GrowthSnapshot(resource="maps", verdict=verdict, reason="", **values)


def alert(run: str, severity: Severity = Severity.WARNING, **labels: str) -> Alert:
    known = {"run": run, "host": "h", "rank": "", "fold": ""}
    return Alert(
        name="A",
        severity=severity,
        labels=known | labels,
        summary=f"near in {run}",
        description="",
        facts={"time_left": "12 min"},
        began=1.0,
    )


def shown(*snapshots: Snapshot, alerts: Iterable[Alert] = ()) -> dict[str, Any]:
    board = LiveState(alerts=lambda: list(alerts), clock=lambda: NOW)
    board.publish(snapshots)
    return overview(board)


def urgencies(*snapshots: Snapshot, alerts: Iterable[Alert] = ()) -> dict[str, str]:
    return {row["run"]: str(row["urgency"]) for row in shown(*snapshots, alerts=alerts)["runs"]}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="plain"),
        pytest.param(
            {
                "cgroup_memory_bytes": 31 * GIBI,
                "cgroup_memory_reclaimable_bytes": 27 * GIBI,
                "limits": {"cgroup_memory": 32 * GIBI},
            },
            id="a memory cgroup full of page cache",
        ),
        pytest.param(
            {"cgroup_memory_bytes": 32 * GIBI, "limits": {"cgroup_memory": 32 * GIBI}},
            id="a memory cgroup of which nobody says what is page cache",
        ),
        pytest.param(
            {"gpu_memory_used_bytes": 79 * GIBI, "limits": {"gpu_memory": 80 * GIBI}},
            id="a GPU that the framework has taken",
        ),
        pytest.param(
            {"user_tasks": 99, "is_exempt_from_nproc": True, "limits": {"nproc": 100}},
            id="root, whom no limit on tasks binds",
        ),
        pytest.param({"limits": {"max_map_count": LimitState.UNLIMITED}}, id="no limit"),
        pytest.param({"open_fds": 0, "limits": {"open_files": 0}}, id="nothing of nothing"),
        pytest.param({"children": (child(),)}, id="a child far from its limits"),
        pytest.param({"maps": None, "limits": {}}, id="nothing is known"),
    ],
)
def test_a_healthy_run_needs_nobody(values: dict[str, Any]) -> None:
    """Whatever is full and no sign."""
    run = replace(going(**values), growth=(growth("stable"),))
    (row,) = shown(run)["runs"]
    assert row["urgency"] == "fine"
    assert not (row["binding"] or {}).get("judged") or row["binding"]["judged"] < 0.8
    assert (row["alert"], row["cause"], row["growing"]) == (None, None, [])


@pytest.mark.parametrize(
    ("run", "urgency"),
    [
        (ended("finished", FoldState.FINISHED), "over"),
        (ended("interrupted", FoldState.FAILED, outcome="interrupted"), "over"),
        (ended("old", FoldState.FAILED, ago=90_000), "over"),
        (ended("failed", FoldState.FAILED, exit_code=137, cause="why"), "critical"),
        (ended("died", FoldState.DIED), "critical"),
        (ended("stale", FoldState.STALE, ago=300), "warning"),
        (Snapshot(run="unreadable", host="h", unreadable="denied"), "warning"),
        (Snapshot(run="waiting", host="h"), "fine"),
        (going(maps=65_000), "critical"),
        (going(maps=55_000), "warning"),
        (going(children=(child(maps=64_000),)), "critical"),
        (replace(going(), growth=(growth("growing"),)), "watch"),
        (replace(going(), growth=(growth("slow"),)), "fine"),
        (replace(going(), growth=(growth("critical"),)), "warning"),
    ],
)
def test_who_needs_somebody(run: Snapshot, urgency: str) -> None:
    """Without any alert, as of a daemon that was started just now."""
    assert urgencies(run) == {run.run: urgency}


def test_an_alert_makes_its_run_urgent() -> None:
    """One that is over too; that of another run does not."""
    runs = going("a"), ended("b", FoldState.FINISHED), going("c")
    alerts = [alert("a"), alert("b", Severity.CRITICAL), alert("a", Severity.CRITICAL)]
    assert urgencies(*runs, alerts=alerts) == {"a": "critical", "b": "critical", "c": "fine"}
    assert urgencies(*runs, alerts=[alert("b")])["b"] == "warning"
    first = shown(*runs, alerts=alerts)["runs"][0]
    assert (first["run"], first["alerts"]) == ("a", 2)
    assert (first["alert"]["severity"], first["alert"]["time_left"]) == ("critical", "12 min")


def test_the_most_urgent_comes_first_and_what_can_be_saved_before_what_is_over() -> None:
    """Then the fullest, and of what ended the latest."""
    runs = (
        ended("finished", FoldState.FINISHED),
        going("fine"),
        ended("failed", FoldState.FAILED, ago=900),
        ended("failed later", FoldState.FAILED, ago=60),
        going("near", maps=55_000),
        going("full", maps=65_000),
        going("fuller", maps=65_500),
    )
    state = shown(*runs)
    order = [row["run"] for row in state["runs"]]
    assert order[:4] == ["fuller", "full", "failed later", "failed"]
    assert order[4:] == ["near", "fine", "finished"]
    assert state["counts"] == {"critical": 4, "warning": 1, "fine": 1, "over": 1}


def test_ranks_are_one_row_of_the_one_that_needs_somebody() -> None:
    """With the nearest limit of all, and in how many states they are."""
    died = replace(ended("r", FoldState.DIED), rank="7", host="b")
    ranks = [going(rank=str(number), maps=2000 + number) for number in range(4)]
    growing = replace(
        going(rank="5"), growth=(growth("growing", per_fold=730.0, folds_to_limit=87.0),)
    )
    (row,) = shown(*ranks, died, growing)["runs"]
    assert (row["rank"], row["host"], row["state"], row["members"]) == ("7", "b", "died", 6)
    assert (row["states"], row["hosts"]) == ({"running": 5, "died": 1}, 2)
    assert (row["binding"]["current"], row["binding_rank"]) == (2003, "3")
    assert (row["verdict"], row["growing_members"]) == ("growing", 1)
    assert row["growing"] == [{"resource": "maps", "child": "", "per_fold": 730.0}]


def test_only_what_grows_is_said_to_fill_a_limit() -> None:
    """A stable resource has a slope too."""
    for verdict, folds in (("growing", 87.0), ("stable", None)):
        run = replace(going(), growth=(growth(verdict, folds_to_limit=87.0),))
        assert shown(run)["runs"][0]["folds_to_limit"] == folds


def test_a_row_says_where_the_run_is() -> None:
    """And leads to it."""
    (row,) = shown(going("a", rank="3", host="node"))["runs"]
    assert (row["run"], row["host"], row["rank"]) == ("a", "node", "3")
    assert (row["fold"], row["folds"], row["stage"], row["is_live"]) == (2, 3, "AFTER FIT", True)


def test_an_alert_of_no_run_that_is_here_is_not_lost() -> None:
    """Its directory may be gone."""
    state = shown(going("a"), alerts=[alert("a"), alert("gone")])
    assert [one["summary"] for one in state["alerts"]] == ["near in gone"]


def test_the_answer_is_bounded_and_whole_json() -> None:
    """Whatever the texts; what is left out is the least urgent, and counted."""
    many = [going(f"{number:04} \ud800 <b>") for number in range(ROWS_SHOWN + 7)]
    board = LiveState(clock=lambda: NOW)
    board.publish([*many, going("full", maps=65_000)])
    found = json.loads(encoded_overview(board, RunKey("", "", "")))
    assert (len(found["runs"]), found["runs_in_all"]) == (ROWS_SHOWN, ROWS_SHOWN + 8)
    assert found["runs"][0]["run"] == "full"
    long = ended("failed", FoldState.FAILED, exit_code=1, cause="x" * 10_000)
    assert len(shown(long)["runs"][0]["cause"]) < 1000


def test_an_empty_board_has_no_rows() -> None:
    """And no error."""
    state = shown()
    assert (state["runs"], state["runs_in_all"], state["hosts"]) == ([], 0, [])
