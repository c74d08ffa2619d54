"""The Prometheus metrics: their frozen names, and the server that shows them.

Owns the table METRICS, the one place that names a metric, and the way from a `Snapshot` to metric
families at scrape time. It must not read the kernel: a scrape renders what is there and never waits.
prometheus-client is loaded when something is served, not when this module is.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from telemetry.reading import USED_BY_CEILING, Limit, LimitState
from telemetry.snapshot import FOLD_STATES, FoldSnapshot, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

    from telemetry.reading import Reading
    from telemetry.snapshot import RunKey

BASE_LABELS = ("run", "host", "fold", "rank")


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A metric's type, help text and labels beyond BASE_LABELS."""

    type: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, MetricKind] = {
    "foldwatch_threads": MetricKind("gauge", "Threads of the process."),
    "foldwatch_memory_maps": MetricKind("gauge", "Memory maps of the process."),
    "foldwatch_resident_memory_bytes": MetricKind("gauge", "Resident memory of the process."),
    "foldwatch_open_fds": MetricKind("gauge", "Open descriptors of the process."),
    "foldwatch_descendants": MetricKind("gauge", "Processes below the process."),
    "foldwatch_tree_threads": MetricKind("gauge", "Threads of the process and its descendants."),
    "foldwatch_tree_resident_memory_bytes": MetricKind(
        "gauge", "Resident memory of the process and its descendants; shared pages count in each."
    ),
    "foldwatch_pool_threads": MetricKind(
        "gauge", "Threads of the process by pool: names without their number.", ("pool",)
    ),
    "foldwatch_cgroup_pids": MetricKind("gauge", "PIDs in the pids cgroup that binds."),
    "foldwatch_cgroup_memory_bytes": MetricKind("gauge", "Memory of the memory cgroup that binds."),
    "foldwatch_cgroup_memory_reclaimable_bytes": MetricKind(
        "gauge", "Memory of that cgroup that the kernel takes back at need: page cache."
    ),
    "foldwatch_ceiling_usage": MetricKind("gauge", "What is used of a ceiling.", ("ceiling",)),
    "foldwatch_ceiling_limit": MetricKind(
        "gauge", "A ceiling's limit; +Inf when unlimited, absent when unknown.", ("ceiling",)
    ),
    "foldwatch_ceiling_usage_ratio": MetricKind(
        "gauge", "Usage over limit of a ceiling, 1 when full.", ("ceiling",)
    ),
    "foldwatch_pids_limit_hits_total": MetricKind(
        "counter", "Forks that the pids controller refused, as far as visible."
    ),
    "foldwatch_oom_kills_total": MetricKind(
        "counter", "Processes that the memory controller killed, as far as visible."
    ),
    "foldwatch_sample_errors_total": MetricKind(
        "counter", "Failures of a source or a sink of readings.", ("source",)
    ),
    "foldwatch_checkpoint_threads": MetricKind("gauge", "Threads at a stage.", ("stage",)),
    "foldwatch_checkpoint_memory_maps": MetricKind("gauge", "Memory maps at a stage.", ("stage",)),
    "foldwatch_checkpoint_resident_memory_bytes": MetricKind(
        "gauge", "Resident memory at a stage.", ("stage",)
    ),
    "foldwatch_checkpoint_cgroup_pids": MetricKind(
        "gauge", "PIDs in the pids cgroup at a stage.", ("stage",)
    ),
    "foldwatch_checkpoint_timestamp_seconds": MetricKind(
        "gauge", "When a stage was last reached, seconds since the epoch.", ("stage",)
    ),
    "foldwatch_fold_state": MetricKind("gauge", "1 for the present state of a fold.", ("state",)),
    "foldwatch_folds": MetricKind("gauge", "Folds planned."),
    "foldwatch_growth_per_fold": MetricKind(
        "gauge", "Growth of a resource per fold, in its own unit, as judged so far.", ("resource",)
    ),
    "foldwatch_folds_to_limit": MetricKind(
        "gauge", "Folds until a resource meets its limit at its growth so far.", ("resource",)
    ),
    "foldwatch_fold_exit_code": MetricKind(
        "gauge", "Exit code of an ended fold, 128 + N for signal N."
    ),
    "foldwatch_fold_seconds": MetricKind("gauge", "Wall time of an ended fold."),
    "foldwatch_run_info": MetricKind("gauge", "1 for a run that is shown."),
    "foldwatch_gpu_memory_used_bytes": MetricKind("gauge", "Memory used of a GPU.", ("gpu",)),
    "foldwatch_gpu_memory_total_bytes": MetricKind("gauge", "Memory of a GPU.", ("gpu",)),
    "foldwatch_gpu_utilization_ratio": MetricKind("gauge", "Utilisation of a GPU, 0-1.", ("gpu",)),
    "foldwatch_gpu_process_memory_bytes": MetricKind(
        "gauge", "Memory of a GPU that the process uses.", ("gpu",)
    ),
    "foldwatch_last_sample_timestamp_seconds": MetricKind(
        "gauge", "When the last reading was taken, seconds since the epoch."
    ),
    "foldwatch_build_info": MetricKind("gauge", "1, with foldwatch's version.", ("version",)),
}
"""Every metric by name: a public contract. A test holds the README's table against it."""

_READING_GAUGES = {
    "threads": "threads",
    "memory_maps": "maps",
    "resident_memory_bytes": "rss_bytes",
    "cgroup_pids": "cgroup_pids",
}
"""Field of a reading by the metric's name behind ``foldwatch_`` and ``foldwatch_checkpoint_``."""

_LATEST = {
    "foldwatch_open_fds": "open_fds",
    "foldwatch_descendants": "descendants",
    "foldwatch_tree_threads": "tree_threads",
    "foldwatch_tree_resident_memory_bytes": "tree_rss_bytes",
    "foldwatch_cgroup_memory_bytes": "cgroup_memory_bytes",
    "foldwatch_cgroup_memory_reclaimable_bytes": "cgroup_memory_reclaimable_bytes",
    "foldwatch_pids_limit_hits_total": "pids_limit_hits",
    "foldwatch_oom_kills_total": "oom_kills",
}
"""Field of the latest reading by metric."""

_GPU = {
    "foldwatch_gpu_memory_used_bytes": "used_bytes",
    "foldwatch_gpu_memory_total_bytes": "total_bytes",
    "foldwatch_gpu_utilization_ratio": "utilization_ratio",
    "foldwatch_gpu_process_memory_bytes": "process_used_bytes",
}
"""Field of a GpuUsage by metric."""


class Sample(NamedTuple):
    """One value of one series; ``labels`` in the order of BASE_LABELS and the metric's own."""

    name: str
    labels: tuple[str, ...]
    value: float


def samples(snapshot: Snapshot, *, now: float) -> Iterator[Sample]:
    """Give every value that ``snapshot`` holds; an absent value gives no sample."""
    yield from run_samples(snapshot)
    for part in snapshot.parts:
        yield from part_samples(part, snapshot.key, is_live=part.is_live(now))


def run_samples(snapshot: Snapshot) -> Iterator[Sample]:
    """Give the values of the run itself."""
    run = (snapshot.run, snapshot.host, "", snapshot.rank)
    yield Sample("foldwatch_build_info", (*run, _version()), 1)
    yield Sample("foldwatch_run_info", run, 1)
    if snapshot.folds is not None:
        yield Sample("foldwatch_folds", run, snapshot.folds)
    for growth in snapshot.growth:
        if growth.per_fold is not None:
            yield Sample("foldwatch_growth_per_fold", (*run, growth.resource), growth.per_fold)
        if growth.folds_to_limit is not None:
            yield Sample("foldwatch_folds_to_limit", (*run, growth.resource), growth.folds_to_limit)


def part_samples(part: FoldSnapshot, key: RunKey, *, is_live: bool) -> Iterator[Sample]:
    """Give the values of one fold of the run ``key``; the live ones where ``is_live``."""
    fold = "" if part.fold is None else str(part.fold)
    base = (key.run, key.host, fold, key.rank)
    yield from _result_samples(part, base)
    if is_live:
        yield from _live_samples(part, base)


@cache
def _version() -> str:
    """Return foldwatch's version; to look it up takes as long as all the rest of a small scrape."""
    return metadata.version("foldwatch")


def _result_samples(part: FoldSnapshot, base: tuple[str, ...]) -> Iterator[Sample]:
    if part.state is not None:
        for state in FOLD_STATES:
            yield Sample("foldwatch_fold_state", (*base, state), float(state == part.state))
    if part.exit_code is not None:
        yield Sample("foldwatch_fold_exit_code", base, part.exit_code)
    if part.seconds is not None:
        yield Sample("foldwatch_fold_seconds", base, part.seconds)


def _live_samples(part: FoldSnapshot, base: tuple[str, ...]) -> Iterator[Sample]:
    for source, count in part.losses.items():
        yield Sample("foldwatch_sample_errors_total", (*base, source), count)
    for stage, reading in part.checkpoints.items():
        yield from _stage_samples(reading, (*base, stage))
    if part.latest is not None:
        yield from _latest_samples(part.latest, base)


def reading_samples(
    reading: Reading, base: tuple[str, ...], *, stage: str | None
) -> Iterator[Sample]:
    """Give every value of one reading; ``base`` in the order of BASE_LABELS."""
    yield from _latest_samples(reading, base)
    if stage is not None:
        yield from _stage_samples(reading, (*base, stage))


def _stage_samples(reading: Reading, labels: tuple[str, ...]) -> Iterator[Sample]:
    yield Sample("foldwatch_checkpoint_timestamp_seconds", labels, reading.time)
    yield from _gauges(reading, "foldwatch_checkpoint_", labels)


def _latest_samples(reading: Reading, base: tuple[str, ...]) -> Iterator[Sample]:
    yield Sample("foldwatch_last_sample_timestamp_seconds", base, reading.time)
    yield from _gauges(reading, "foldwatch_", base)
    for name, part in _LATEST.items():
        value = getattr(reading, part)
        if value is not None:
            yield Sample(name, base, value)
    for pool, threads in (reading.pools or {}).items():
        yield Sample("foldwatch_pool_threads", (*base, pool), threads)
    for gpu in reading.gpus or ():
        for name, part in _GPU.items():
            value = getattr(gpu, part)
            if value is not None:
                yield Sample(name, (*base, gpu.gpu), value)
    for ceiling in USED_BY_CEILING:
        yield from _ceiling_samples(reading, ceiling, (*base, ceiling))


def _gauges(reading: Reading, prefix: str, labels: tuple[str, ...]) -> Iterator[Sample]:
    for name, part in _READING_GAUGES.items():
        value = getattr(reading, part)
        if value is not None:
            yield Sample(prefix + name, labels, value)


def _ceiling_samples(reading: Reading, ceiling: str, labels: tuple[str, ...]) -> Iterator[Sample]:
    usage = reading.usage(ceiling)
    if usage.current is not None:
        yield Sample("foldwatch_ceiling_usage", labels, usage.current)
    limit = _limit_value(usage.limit)
    if limit is not None:
        yield Sample("foldwatch_ceiling_limit", labels, limit)
    if usage.ratio is not None:
        yield Sample("foldwatch_ceiling_usage_ratio", labels, usage.ratio)


def _limit_value(limit: Limit) -> float | None:
    if isinstance(limit, int):
        return limit
    return math.inf if limit is LimitState.UNLIMITED else None


class SnapshotCollector:
    """A collector for prometheus-client that renders one snapshot per scrape."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._snapshot = snapshot
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Give the families that have a value, in the order of METRICS."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - see the module's text

        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for sample in samples(self._snapshot(), now=self._clock()):
            family = families.get(sample.name)
            if family is None:
                kind = METRICS[sample.name]
                make = CounterMetricFamily if kind.type == "counter" else GaugeMetricFamily
                family = make(sample.name, kind.help, labels=[*BASE_LABELS, *kind.labels])
                families[sample.name] = family
            family.add_metric(list(sample.labels), sample.value)
        return [families[name] for name in METRICS if name in families]


def registry(snapshot: Callable[[], Snapshot]) -> CollectorRegistry:
    """Return a registry of its own that holds only the snapshot's metrics."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see the module's text

    own = CollectorRegistry()
    own.register(SnapshotCollector(snapshot))
    return own


class _Handler(WSGIRequestHandler):
    timeout = 5
    """Seconds that a slow client may hold the one serving thread."""

    def log_message(self, *_: object) -> None:
        """A scrape is not worth a line in the training's log."""


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """Bind without WSGIServer's look-up of the host's full name, which may wait for DNS."""
        self.allow_reuse_address = True
        super(WSGIServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """A client that went away is not the training's business."""


def serve(snapshot: Callable[[], Snapshot], *, port: int, address: str = "127.0.0.1") -> int:
    """Serve /metrics from one thread that starts now, and return the port (a free one for 0).

    One thread, not one per request: a process at its thread limit still answers. Text or
    OpenMetrics by the Accept header. Raises OSError where the address cannot be bound.
    """
    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - see the module's text

    server = _Server((address, port), _Handler)
    server.set_app(make_wsgi_app(registry(snapshot)))
    thread = threading.Thread(target=server.serve_forever, name="foldwatch-http", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        server.server_close()
        raise
    return server.server_port
