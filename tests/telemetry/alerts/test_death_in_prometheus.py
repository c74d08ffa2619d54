"""A run that dies at its limit, with a real Prometheus and Alertmanager: nothing is resolved until it runs again."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from telemetry.alerts.dispatch import alerting
from telemetry.metrics.server import serve
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from tests.support.alert_stack import Receiver, receiver, stack
from tests.support.builders import reading
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 60.0
ALERTS = {"FoldwatchCeilingCritical", "FoldwatchFoldFailed", "FoldwatchRunFailed"}


def at_limit(used: int) -> Snapshot:
    """Give a run whose only fold uses so many of 1,000 PIDs now."""
    latest = reading(1, time.time(), stage=None, cgroup_pids=used, limits={"pids_cgroup": 1000})
    fold = FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=latest)
    return Snapshot(run="r", host="h", fold_count=1, folds=(fold,), directory="/runs/r")


def dead() -> Snapshot:
    """Give it a minute after its death, with the result of its fold alone."""
    ended = {"state": FoldState.FAILED, "exit_code": 134, "ended_at": time.time() - 61}
    return replace(at_limit(0), folds=(FoldSnapshot(fold=1, **ended),))  # type: ignore[arg-type] # names are the fields


def names(hook: Receiver, status: str) -> set[str]:
    return {alert["labels"]["alertname"] for _, alert in hook.alerts(status)}


@pytest.mark.slow
@pytest.mark.prometheus
def test_a_death_resolves_nothing_and_the_next_attempt_does(tmp_path: Path) -> None:
    """Time runs 60 times as fast; for longer than five minutes of it the run is dead."""
    shown = at_limit(970)
    port = serve(lambda: shown, port=0)
    with (
        receiver() as hook,
        stack(tmp_path, targets=f"127.0.0.1:{port}", webhook=hook.url, scale=SCALE) as servers,
    ):
        wait_until(lambda: "FoldwatchCeilingCritical" in names(hook, "firing"), 60, "the limit")
        shown = dead()
        wait_until(lambda: names(hook, "firing") == ALERTS, 60, "what failed")
        at = time.time()

        def has_been_dead() -> bool:
            return time.time() - at > 600 / SCALE

        wait_until(has_been_dead, 60, "ten minutes")
        assert names(hook, "resolved") == set()
        assert servers.query('ALERTS{ceiling="pids_cgroup", alertstate="firing"}')
        assert not servers.query("foldwatch:ceiling_used:ratio")
        shown = at_limit(10)
        wait_until(lambda: names(hook, "resolved") == ALERTS, 60, "the end of all")


@pytest.mark.slow
@pytest.mark.prometheus
def test_who_stops_after_a_death_resolves_nothing_and_the_next_runner_does(tmp_path: Path) -> None:
    """Alertmanager keeps what it was told of for as long as it is held, or until another runner goes on with the run."""
    now = time.time()
    with (
        receiver() as hook,
        stack(tmp_path, targets="127.0.0.1:1", webhook=hook.url, scale=SCALE) as servers,
    ):
        with alerting(
            alertmanager=servers.alertmanager, hold_hours=2, log=lambda _: None
        ) as engine:
            for at, one in ((now - 40, at_limit(990)), (now - 20, dead()), (now, dead())):
                engine.observe([one], at)
        found = {one["labels"]["alertname"]: one for one in servers.alerts()}
        assert set(found) == ALERTS
        ends = [datetime.fromisoformat(one["endsAt"]).timestamp() - now for one in found.values()]
        assert all(6900 < left < 7300 for left in ends)
        wait_until(lambda: names(hook, "firing") == ALERTS, 60, "all of them")
        assert names(hook, "resolved") == set()
        with alerting(alertmanager=servers.alertmanager) as engine:
            engine.run_again("/runs/elsewhere")
        assert len(servers.alerts()) == len(ALERTS)
        with alerting(alertmanager=servers.alertmanager) as engine:  # of the runner that goes on
            engine.run_again("/runs/r")
        wait_until(lambda: names(hook, "resolved") == ALERTS, 60, "the end of all")
