"""What is exported: names, units, start times and values, against a receiver that refuses what the specification refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics

from telemetry.metrics.catalog import METRICS
from telemetry.otlp import metric_requests
from telemetry.otlp.metric_requests import MetricSource
from telemetry.otlp.names import ELSEWHERE, IN_BYTES, OTLP_METRICS
from telemetry.reading import LimitState
from telemetry.snapshot import FoldSnapshot, FoldState
from tests.support.builders import NOW, full_snapshot, reading, snapshot
from tests.support.otlp_receiver import NAME, UNIT, OtlpPoint, check_streams, checked_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from telemetry.snapshot import Snapshot

SECOND = 10**9


class Pushes:
    """Pushes snapshots at times of the test's own, and checks each request as a receiver does."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.now = int(NOW * SECOND)
        self.shown: Sequence[Snapshot] = ()
        self.streams: dict[object, OtlpPoint] = {}
        self.requests = 0
        self._source = MetricSource(lambda: self.shown, given or {}, clock=lambda: self.now)

    def push(
        self,
        *snapshots: Snapshot,
        seconds: float = 10,
        is_lost: bool = False,
        is_refused: bool = False,
    ) -> list[OtlpPoint]:
        """Push ``seconds`` after the last time; what is lost reaches nobody, and nor does what is refused."""
        self.now += int(seconds * SECOND)
        self.shown = snapshots
        found: list[OtlpPoint] = []
        for batch in self._source.batches():
            self.requests += 1
            points = [
                *checked_points(metrics.ExportMetricsServiceRequest.FromString(batch.content))
            ]
            assert len(points) == batch.size
            if not (is_lost or is_refused):
                check_streams(self.streams, points)
            if not is_lost:
                batch.settle(not is_refused)
            found += points
        return found


def running(**values: Any) -> Snapshot:
    latest = reading(1, NOW, start_ticks=5, **values)
    return snapshot(FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=latest))


def only(points: Sequence[OtlpPoint], name: str) -> OtlpPoint:
    (found,) = [point for point in points if point.name == name]
    return found


def test_every_metric_has_a_name_there_or_is_said_elsewhere() -> None:
    """A new metric needs one; each name and unit is one that the specification allows, and none stands for two."""
    assert OTLP_METRICS.keys() | ELSEWHERE.keys() == METRICS.keys()
    assert not OTLP_METRICS.keys() & ELSEWHERE.keys()
    assert IN_BYTES.keys() < OTLP_METRICS.keys()
    rows = [*OTLP_METRICS.items(), *IN_BYTES.items()]
    assert len({metric.name for _, metric in rows}) == len(rows)
    for name, metric in rows:
        assert NAME.fullmatch(metric.name)
        assert UNIT.fullmatch(metric.unit), metric
        assert len(metric.attributes) == len(METRICS[name].labels)
        assert (metric.kind == "counter") == (METRICS[name].type == "counter")


def test_a_snapshot_of_everything_is_taken_whole() -> None:
    """Every metric but those of a limit in bytes that is none; a hostile label is a value as any other."""
    names = {point.name for point in Pushes().push(full_snapshot())}
    every = {metric.name for metric in (*OTLP_METRICS.values(), *IN_BYTES.values())}
    absent = {"foldwatch.limit.memory.limit", "foldwatch.growth.memory"}
    assert names == every - absent


def test_values_units_and_whose_they_are() -> None:
    """The resource is the run on its host, the attributes are the fold, the rank and the metric's own."""
    shown = replace(running(threads=9, rss_bytes=2**30), rank="2")
    points = Pushes({"service.name": "mine", "foldwatch.run.name": "no"}).push(shown)
    threads = only(points, "process.thread.count")
    assert (threads.value, threads.unit, threads.kind) == (9, "{thread}", "updowncounter")
    assert threads.attributes == {"foldwatch.fold.number": "1", "foldwatch.rank": "2"}
    assert threads.resource["service.name"] == "mine"
    assert threads.resource["host.name"] == "h"
    assert threads.resource["foldwatch.run.name"] == "r"
    memory = only(points, "process.memory.usage")
    assert (memory.value, memory.unit) == (2**30, "By")


def test_what_is_absent_or_unlimited_has_no_point() -> None:
    """It is not 0, nor infinite."""
    shown = running(
        threads=None, cgroup_pids=3, limits={"pids_cgroup": LimitState.UNLIMITED, "open_files": 8}
    )
    points = Pushes().push(shown)
    assert not any(point.name == "process.thread.count" for point in points)
    limits = [p.attributes for p in points if p.name == "foldwatch.limit.count.limit"]
    assert [one["foldwatch.limit.name"] for one in limits] == ["open_files"]
    assert only(points, "foldwatch.cgroup.task.count").value == 3
    assert all(math.isfinite(point.value) for point in points)


def test_bytes_and_numbers_are_two_metrics() -> None:
    """One unit each."""
    limits = {"cgroup_memory": 100, "max_map_count": 200}
    points = Pushes().push(running(cgroup_memory_bytes=50, maps=20, limits=limits))
    assert only(points, "foldwatch.limit.memory.usage").value == 50
    maps = only(points, "foldwatch.limit.count.usage")
    assert (maps.value, maps.unit, maps.attributes["foldwatch.limit.name"]) == (
        20,
        "{item}",
        "max_map_count",
    )


def test_a_counter_begins_without_a_past_and_goes_on_from_there() -> None:
    """What was counted before is no increase; one start time for all points, also over a push that was lost."""
    pushes = Pushes()
    name = "foldwatch.cgroup.oom.killed"
    first = only(pushes.push(running(oom_kills=7)), name)
    pushes.push(running(oom_kills=8), is_lost=True)
    last = only(pushes.push(running(oom_kills=9)), name)
    assert (first.start, first.value) == (first.time, 7)
    assert (last.start, last.value) == (first.start, 9)
    assert last.time == first.time + 20 * SECOND


@pytest.mark.parametrize("became", ["is_lost", "is_refused"])
def test_a_first_point_that_did_not_arrive_is_sent_again_as_a_first_one(became: str) -> None:
    """Else a receiver would take 7 for an increase within ten seconds."""
    pushes = Pushes()
    pushes.push(running(oom_kills=7), **{became: True})
    again = only(pushes.push(running(oom_kills=7)), "foldwatch.cgroup.oom.killed")
    assert again.start == again.time


@pytest.mark.parametrize(
    "then",
    [{"oom_kills": 1}, {"oom_kills": 7, "pid": 8}, {"oom_kills": 9, "pid": 8}],
    ids=["lower", "another process", "another process that counts more"],
)
def test_a_counter_that_was_set_back_begins_anew(then: dict[str, int]) -> None:
    """It never decreases within one start time."""
    pushes = Pushes()
    pushes.push(running(oom_kills=7))
    anew = only(pushes.push(running(**then)), "foldwatch.cgroup.oom.killed")
    assert (anew.start, anew.value) == (anew.time, then["oom_kills"])


def test_a_clock_that_is_set_back_begins_every_stream_anew() -> None:
    """No start is after its time."""
    pushes = Pushes()
    pushes.push(running(oom_kills=7))
    pushes.streams.clear()
    points = pushes.push(running(oom_kills=7), seconds=-60)
    assert all(point.start == point.time for point in points if point.kind != "gauge")


def test_many_points_are_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """None larger than receivers take; all of them arrive."""
    monkeypatch.setattr(metric_requests, "POINTS_PER_REQUEST", 20)
    pushes, whole = Pushes(), Pushes()
    assert len(pushes.push(full_snapshot())) == len(whole.push(full_snapshot()))
    assert pushes.requests > 2


def test_texts_that_are_no_utf8_or_too_long_are_replaced_and_cut() -> None:
    """A file name of another encoding; two that look alike then are one point."""
    pools = (("a\udcff", 1), ("a\udcfe", 2), ("b" * 10_000, 3))
    shown = running(pools=dict(pools))
    found = [p for p in Pushes().push(shown) if p.name == "foldwatch.pool.thread.count"]
    names = [point.attributes["foldwatch.pool"] for point in found]
    assert names == ["a?", "b" * 4096]


def test_a_run_that_cannot_be_rendered_costs_its_own_points(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And is told of once."""
    pushes = Pushes()
    broken = replace(running(), run="broken", growth=(None,))  # type: ignore[arg-type] # as a bug would
    for _ in range(2):
        points = pushes.push(broken, running())
        assert {point.resource["foldwatch.run.name"] for point in points} == {"r"}
    assert len(caplog.records) == 1


def test_two_runs_of_one_daemon_are_two_resources() -> None:
    """Told apart also by a backend that knows services and their instances alone."""
    points = Pushes().push(running(), replace(running(), run="other"))
    instances = {(p.resource["service.name"], p.resource["service.instance.id"]) for p in points}
    assert instances == {("foldwatch", "h/r"), ("foldwatch", "h/other")}


CONVENTIONS = {
    "process.thread.count": ("updowncounter", "{thread}"),
    "process.memory.usage": ("updowncounter", "By"),
    "process.unix.file_descriptor.count": ("updowncounter", "{file_descriptor}"),
    "hw.gpu.memory.usage": ("updowncounter", "By"),
    "hw.gpu.memory.limit": ("updowncounter", "By"),
    "hw.gpu.utilization": ("gauge", "1"),
    "hw.errors": ("counter", "{error}"),
}
"""As opentelemetry-semantic-conventions 0.66b2 has them."""


def test_names_that_are_not_foldwatch_s_own_are_opentelemetry_s() -> None:
    """With the kind and the unit that are defined for them."""
    every = (*OTLP_METRICS.values(), *IN_BYTES.values())
    others = {m.name: (m.kind, m.unit) for m in every if not m.name.startswith("foldwatch.")}
    assert others == CONVENTIONS


@hypothesis.settings(max_examples=30)
@hypothesis.given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([7, 8]), st.booleans(), st.integers(0, 20)),
        max_size=8,
    )
)
def test_whatever_the_kernel_counts_and_whatever_is_lost_the_stream_is_whole(
    pushed: list[tuple[int, int, bool, int]],
) -> None:
    """Each push that arrives goes on from the last one that did, or begins anew: the receiver checks it."""
    pushes = Pushes()
    for oom_kills, pid, is_lost, seconds in pushed:
        shown = running(oom_kills=oom_kills, pid=pid)
        pushes.push(shown, seconds=1 + seconds, is_lost=is_lost)
