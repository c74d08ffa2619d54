"""The overview of journals as a night leaves them, followed and judged as `foldwatch serve` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from telemetry.daemon import daemon as daemon_module
from telemetry.daemon.daemon import SCAN_INTERVALS, Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.web.overview import overview
from tests.support.at_once import AtOnce
from tests.support.many_runs import write_ranks, write_runs
from tests.support.waiting import wait_until
from trainer.runner.growth_so_far import judge_run

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.snapshot import RunKey


NOW = 1_700_000_000.0
"""Journals are of days, and no record is of before 1970."""


def seen(top: Path, *judged: str, round_seconds: float = 60.0) -> dict[str, Any]:
    """Return the overview once these runs have a verdict, read in rounds of so many seconds."""
    board = LiveState(clock=lambda: NOW)
    shown: set[tuple[RunKey, str]] = set()
    daemon = Daemon(
        str(top),
        judge=judge_run,
        judged_share=1.0,
        on_publish=board.publish,
        clock=lambda: NOW,
        looker=AtOnce(),
    )

    def is_read() -> bool:
        before = daemon.snapshots
        for _ in range(SCAN_INTERVALS):  # in one of which it looks who is silent
            daemon.collect()
            shown.update((one.key, one.state) for one in daemon.snapshots)
        known = {one.run for one in daemon.snapshots if one.growth}
        # While some are read, in turn, those that are shown need not change.
        return known >= {*judged} and daemon.is_settled and daemon.snapshots == before

    with mock.patch.object(daemon_module, "ROUND_SECONDS", round_seconds):
        wait_until(is_read, 250, "all records and the verdicts")
    # Not even while a long journal was being read was anybody over, or silent, who is not.
    assert {one for one in shown if one[1] not in {"waiting", "running"}} <= {
        (one.key, one.state) for one in daemon.snapshots
    }
    return overview(board)


@pytest.mark.slow
@pytest.mark.parametrize("round_seconds", [0.01, 60.0])
def test_a_night_is_sorted_by_who_needs_somebody(tmp_path: Path, round_seconds: float) -> None:
    """Of thirteen runs the three that are healthy, and the three that are over, need nobody."""
    write_runs(tmp_path, 13, NOW)
    found = seen(tmp_path, "leaking-01", "creeping-10", round_seconds=round_seconds)
    order = [(str(row["urgency"]), row["run"][:-3]) for row in found["runs"]]
    assert order == [
        ("critical", "crowded"),
        ("critical", "died"),
        ("critical", "failed"),
        ("warning", "leaking"),
        ("warning", "stale"),
        ("warning", "unreadable"),
        ("watch", "creeping"),
        ("fine", "healthy"),
        ("fine", "healthy"),
        ("fine", "healthy"),
        ("over", "interrupted"),
        ("over", "finished"),
        ("over", "failed-long-ago"),
    ]


@pytest.mark.slow
def test_sixty_four_ranks_are_one_row(tmp_path: Path) -> None:
    """That of the silent one, which the others wait for; and what grows is said beside it."""
    write_ranks(tmp_path, 64, NOW)
    (row,) = seen(tmp_path, "pretraining")["runs"]
    assert (row["members"], row["hosts"], row["rank"]) == (64, 8, "17")
    assert (str(row["urgency"]), row["states"]) == ("warning", {"stale": 1, "running": 63})
    assert (row["verdict"], row["growing_members"]) == ("critical", 1)
    assert row["growing"][0]["per_fold"] == pytest.approx(14_000, rel=0.01)
    assert row["binding_rank"] == "3"
