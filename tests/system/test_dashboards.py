"""The dashboards: against a real Prometheus that scrapes a real run, and against the table of metrics."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import telemetry.kernel.reader
from telemetry.kernel.reader import Reader
from telemetry.metrics.catalog import METRICS
from telemetry.metrics.server import serve
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot
from telemetry.thread_line import parse_label
from tests.scripts.leak import LIMIT, leaking
from tests.support.alert_stack import receiver, stack
from tests.support.dashboards import NAMES, board
from tests.support.nvml import Nvml
from tests.support.paths import GRAFANA
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

SCALE = 60.0
UNUSED: dict[str, str] = {
    "foldwatch_gpu_throttled": "five reasons for each GPU: for an alert of one's own, or to be looked up",
    "foldwatch_run_unreadable": "its reason is a sentence: the page and the daemon's log show it",
    **dict.fromkeys(
        (
            "foldwatch_tree_memory_maps",
            "foldwatch_tree_open_fds",
            "foldwatch_tree_proportional_memory_bytes",
            "foldwatch_child_threads",
            "foldwatch_child_memory_maps",
            "foldwatch_child_resident_memory_bytes",
            "foldwatch_child_proportional_memory_bytes",
            "foldwatch_child_open_fds",
        ),
        "the rules alert by what a child uses of its limit; the page has its numbers beside each other",
    ),
}
"""Metrics that no dashboard, rule or variable uses, each with its reason."""


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def expressions(name: str) -> list[str]:
    """Every expression of a dashboard, with its variables filled in."""
    content = board(name)
    found = [target["expr"] for panel in panels(name) for target in panel["targets"]]
    found += [a["expr"] for a in content["annotations"]["list"] if "expr" in a]
    for variable in content["templating"]["list"]:
        if variable["type"] == "query":
            (selector,) = re.findall(r"label_values\((.*), \w+\)", variable["definition"])
            found.append(selector)
    values = {"$run": "leak", "$host": ".*", "$rank": ".*", "$fold": ".*", "$__range": "1h"}
    for before, after in values.items():
        found = [expression.replace(before, after) for expression in found]
    return found


def run_as_it_is(reader: Reader) -> Snapshot:
    """One fold that has ended, one that leaks, one to come; growth as the analyzer would say it."""
    parts = [
        FoldSnapshot(
            fold=1, state=FoldState.FINISHED, exit_code=0, seconds=60.0, ended_at=time.time()
        ),
        FoldSnapshot(fold=2, state=FoldState.RUNNING, error_counts={"fd": 1}),
        FoldSnapshot(fold=3, state=FoldState.WAITING),
    ]
    growth = [
        GrowthSnapshot(
            resource=name, verdict="growing", reason="", per_fold=700.0, folds_to_limit=1.5
        )
        for name in ("maps", "rss_bytes")
    ]
    reading = reader.read()
    label = parse_label("Fold 2/3 START")
    labelled = replace(reading, label=label.text, stage=label.stage)
    parts[1] = parts[1].with_record(labelled)
    return Snapshot(run="leak", host="here", fold_count=3, folds=tuple(parts), growth=tuple(growth))


@pytest.mark.prometheus
@pytest.mark.slow
def test_every_expression_has_data_of_a_real_run(
    pids_cgroup: RealCgroup, memory_cgroup: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process, cgroups, Prometheus, configuration and rules are real; NVML is a stand-in, for want of
    a GPU. Time runs 60 times as fast, so that a forecast has its five minutes.
    """
    pids_cgroup.limit(LIMIT)
    memory = memory_cgroup
    if os.path.exists(os.path.join(pids_cgroup.folder, "memory.max")):
        memory = pids_cgroup.folder  # v2: a process is in one cgroup for all controllers
    name = "memory.max" if memory == pids_cgroup.folder else "memory.limit_in_bytes"
    with open(os.path.join(memory, name), "w", encoding="ascii") as file:
        file.write(str(2**30))
    with ExitStack() as running:
        hook = running.enter_context(receiver())
        pid = running.enter_context(leaking(pids_cgroup.folder, 720 / SCALE))
        with open(os.path.join(memory, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(pid))
        uses = [SimpleNamespace(pid=pid, usedGpuMemory=1)]
        monkeypatch.setattr(Nvml, "nvmlDeviceGetComputeRunningProcesses", lambda *_: uses)
        monkeypatch.setattr(telemetry.kernel.reader, "load_nvml", Nvml)
        reader = Reader(pid=pid)
        running.callback(reader.close)
        port = serve(lambda: run_as_it_is(reader), port=0)
        targets = f"127.0.0.1:{port}"
        servers = running.enter_context(
            stack(tmp_path, targets=targets, webhook=hook.url, scale=SCALE)
        )
        empty = {expression for name in NAMES for expression in expressions(name)}
        assert len(empty) > 40

        def all_have_data() -> bool:
            empty.difference_update([query for query in empty if servers.query(query)])
            return not empty

        wait_until(all_have_data, 60, lambda: f"data of {sorted(empty)}")


def test_metrics_and_grafana_know_each_other() -> None:
    """Every metric named in grafana/ exists; every metric is used, or there is a reason."""
    named: set[str] = set()
    for path, _, files in os.walk(GRAFANA):
        for name in files:
            with open(os.path.join(path, name), encoding="utf-8") as file:
                named |= set(re.findall(r"\bfoldwatch_[a-z_]+\b", file.read()))
    assert named <= set(METRICS)
    assert set(METRICS) - named == set(UNUSED)


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_can_be_read_by_a_person(name: str) -> None:
    """Titles, descriptions, units, legends, limits as dashed lines, and one data source to choose."""
    content = board(name)
    assert content["schemaVersion"] == 42
    assert content["id"] is None
    assert content["uid"] == f"foldwatch-{'live' if name.endswith('live') else 'folds'}"
    variables = [variable["name"] for variable in content["templating"]["list"]]
    assert variables == ["datasource", "run", "host", "rank", "fold"]
    assert "Checkpoints" in [a["name"] for a in content["annotations"]["list"]]
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"], panel["title"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}
        if panel["type"] in {"timeseries", "stat", "bargauge", "barchart"}:
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            if panel["type"] == "timeseries":
                assert target["legendFormat"] != "__auto", panel["title"]
                is_limit = "_limit{" in target["expr"] or "memory_total" in target["expr"]
                assert is_limit == target["legendFormat"].startswith("limit")


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_beside_each_other(name: str) -> None:
    """Within 24 columns, and none over another."""
    taken: set[tuple[int, int]] = set()
    for panel in board(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
