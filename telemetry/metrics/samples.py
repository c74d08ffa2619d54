"""From a snapshot or a reading to the values of the metrics in `telemetry.metrics.catalog`."""

from __future__ import annotations

import math
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from telemetry.kernel.nvml import THROTTLE_REASONS
from telemetry.limits import USED_BY
from telemetry.reading import OWN_LIMITS, PRESSURES, Limit, LimitState
from telemetry.snapshot import OUTCOMES, FoldSnapshot, FoldState, LiveRunState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.reading import ChildUsage, GpuUsage, Reading
    from telemetry.snapshot import RunKey

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
    "foldwatch_tree_proportional_memory_bytes": "tree_pss_bytes",
    "foldwatch_tree_memory_maps": "tree_maps",
    "foldwatch_tree_open_fds": "tree_open_fds",
    "foldwatch_cgroup_memory_bytes": "cgroup_memory_bytes",
    "foldwatch_cgroup_memory_reclaimable_bytes": "cgroup_memory_reclaimable_bytes",
    "foldwatch_pids_limit_hits_total": "pids_limit_hits",
    "foldwatch_oom_kills_total": "oom_kills",
}
"""Field of the latest reading by metric."""

_KINDS = {"anonymous": "rss_anon_bytes", "file": "rss_file_bytes", "shared": "rss_shmem_bytes"}
"""Field of the latest reading by kind of resident memory."""

_GPU = {
    "foldwatch_gpu_memory_used_bytes": "used_bytes",
    "foldwatch_gpu_memory_total_bytes": "total_bytes",
    "foldwatch_gpu_utilization_ratio": "utilization_ratio",
    "foldwatch_gpu_process_memory_bytes": "process_used_bytes",
    "foldwatch_gpu_ecc_errors_total": "ecc_errors",
}
"""Field of a GpuUsage by metric."""


_CHILD = {
    "foldwatch_child_threads": "threads",
    "foldwatch_child_memory_maps": "maps",
    "foldwatch_child_resident_memory_bytes": "rss_bytes",
    "foldwatch_child_proportional_memory_bytes": "pss_bytes",
    "foldwatch_child_open_fds": "open_fds",
}
"""Field of a ChildUsage by metric."""


class MetricSample(NamedTuple):
    """One value of one series; ``labels`` in the order of BASE_LABELS and the metric's own."""

    name: str
    labels: tuple[str, ...]
    value: float


def encodable(value: str) -> str:
    """Return a label's value; what UTF-8 has no bytes for, such as a file name of another encoding, becomes ``?``."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def samples(snapshot: Snapshot, *, now: float) -> Iterator[MetricSample]:
    """Give every value that ``snapshot`` holds; an absent value gives no sample."""
    yield from run_samples(snapshot)
    for fold_snapshot in snapshot.folds:
        is_live = fold_snapshot.is_live(now)
        yield from fold_samples(fold_snapshot, snapshot.key, is_live=is_live)
        yield from progress_samples(fold_snapshot, snapshot, is_live=is_live)


def progress_samples(
    fold_snapshot: FoldSnapshot, snapshot: Snapshot, *, is_live: bool
) -> Iterator[MetricSample]:
    """Give how a fold of a run gets on; from when on it has stalled depends on the others."""
    if is_live and snapshot.is_to_progress(fold_snapshot):
        base = (snapshot.run, snapshot.host, fold_snapshot.label, snapshot.rank)
        quiet = fold_snapshot.progress.quiet_seconds
        yield MetricSample("foldwatch_quiet_seconds", base, quiet)
        after = snapshot.stalls_after(fold_snapshot)
        yield MetricSample("foldwatch_stalled_after_seconds", base, after)


def run_samples(snapshot: Snapshot) -> Iterator[MetricSample]:
    """Give the values of the run itself."""
    run = (snapshot.run, snapshot.host, "", snapshot.rank)
    yield MetricSample("foldwatch_build_info", (*run, _version()), 1)
    yield MetricSample("foldwatch_run_info", run, 1)
    present = snapshot.state
    for state in LiveRunState:
        yield MetricSample("foldwatch_run_state", (*run, state.value), float(state == present))
    if snapshot.unreadable:
        yield MetricSample("foldwatch_run_unreadable", (*run, snapshot.unreadable), 1)
    if snapshot.fold_count is not None:
        yield MetricSample("foldwatch_folds", run, snapshot.fold_count)
    for growth in (one for one in snapshot.growth if not one.child):
        if growth.per_fold is not None:
            yield MetricSample(
                "foldwatch_growth_per_fold", (*run, growth.resource), growth.per_fold
            )
        if growth.folds_to_limit is not None:
            yield MetricSample(
                "foldwatch_folds_to_limit", (*run, growth.resource), growth.folds_to_limit
            )


def fold_samples(
    fold_snapshot: FoldSnapshot, key: RunKey, *, is_live: bool
) -> Iterator[MetricSample]:
    """Give the values of one fold of the run ``key``; the live ones where ``is_live``."""
    base = (key.run, key.host, fold_snapshot.label, key.rank)
    yield from _result_samples(fold_snapshot, base)
    if is_live:
        yield from _live_samples(fold_snapshot, base)


@cache
def _version() -> str:
    """Return foldwatch's version; to look it up takes as long as all the rest of a small scrape."""
    return metadata.version("foldwatch")


def _result_samples(fold_snapshot: FoldSnapshot, base: tuple[str, ...]) -> Iterator[MetricSample]:
    if fold_snapshot.state is not None:
        for state in FoldState:
            yield MetricSample(
                "foldwatch_fold_state", (*base, state.value), float(state == fold_snapshot.state)
            )
    if fold_snapshot.exit_code is not None:
        yield MetricSample("foldwatch_fold_exit_code", base, fold_snapshot.exit_code)
    if fold_snapshot.seconds is not None:
        yield MetricSample("foldwatch_fold_seconds", base, fold_snapshot.seconds)
    if fold_snapshot.ended_at is not None:
        yield MetricSample("foldwatch_fold_ended_timestamp_seconds", base, fold_snapshot.ended_at)
    if fold_snapshot.outcome:
        outcome = fold_snapshot.outcome if fold_snapshot.outcome in OUTCOMES else "other"
        yield MetricSample("foldwatch_fold_outcome", (*base, outcome), 1)


def _live_samples(fold_snapshot: FoldSnapshot, base: tuple[str, ...]) -> Iterator[MetricSample]:
    for source, count in fold_snapshot.error_counts.items():
        yield MetricSample("foldwatch_sample_errors_total", (*base, source), count)
    for stage, reading in fold_snapshot.checkpoints.items():
        yield from _stage_samples(reading, (*base, stage))
    if fold_snapshot.latest is not None:
        yield from _latest_samples(fold_snapshot.latest, base)


def reading_samples(
    reading: Reading, base: tuple[str, ...], *, stage: str | None
) -> Iterator[MetricSample]:
    """Give every value of one reading; ``base`` in the order of BASE_LABELS."""
    yield from _latest_samples(reading, base)
    if stage is not None:
        yield from _stage_samples(reading, (*base, stage))


def _stage_samples(reading: Reading, labels: tuple[str, ...]) -> Iterator[MetricSample]:
    yield MetricSample("foldwatch_checkpoint_timestamp_seconds", labels, reading.time)
    yield from _gauges(reading, "foldwatch_checkpoint_", labels)


def _latest_samples(reading: Reading, base: tuple[str, ...]) -> Iterator[MetricSample]:
    yield MetricSample("foldwatch_last_sample_timestamp_seconds", base, reading.time)
    yield from _gauges(reading, "foldwatch_", base)
    for name, field in _LATEST.items():
        value = getattr(reading, field)
        if value is not None:
            yield MetricSample(name, base, value)
    for kind, field in _KINDS.items():
        if (value := getattr(reading, field)) is not None:
            yield MetricSample("foldwatch_resident_memory_kind_bytes", (*base, kind), value)
    for name in PRESSURES:
        if (seconds := (reading.pressure_seconds or {}).get(name)) is not None:
            labels = (*base, *name.split("_"), reading.pressure_scope or "host")
            yield MetricSample("foldwatch_pressure_seconds_total", labels, seconds)
    for pool, threads in (reading.pools or {}).items():
        yield MetricSample("foldwatch_pool_threads", (*base, pool), threads)
    yield from _gpu_samples(reading, base)
    yield from _child_samples(reading, base)
    for limit in USED_BY:
        yield from _limit_samples(reading, limit, (*base, limit))


def _gpu_samples(reading: Reading, base: tuple[str, ...]) -> Iterator[MetricSample]:
    """Give the values of each GPU; of two with one name, which would be one series twice, those of the first."""
    gpus: dict[str, GpuUsage] = {}
    for gpu in reading.gpus or ():
        gpus.setdefault(gpu.gpu, gpu)
    for gpu in gpus.values():
        for name, field in _GPU.items():
            value = getattr(gpu, field)
            if value is not None:
                yield MetricSample(name, (*base, gpu.gpu), value)
        for reason in () if gpu.throttled_by is None else THROTTLE_REASONS:
            is_so = float(reason in (gpu.throttled_by or ()))
            yield MetricSample("foldwatch_gpu_throttled", (*base, gpu.gpu, reason), is_so)


def _child_samples(reading: Reading, base: tuple[str, ...]) -> Iterator[MetricSample]:
    """Give the values of each child; of two with one name, which would be one series twice, those of the nearer one."""
    children: dict[str, ChildUsage] = {}
    for child in reading.children or ():
        children.setdefault(child.name, child)
    for label, child in children.items():
        for name, field in _CHILD.items():
            value = getattr(child, field)
            if value is not None:
                yield MetricSample(name, (*base, label), value)
        for limit in OWN_LIMITS:
            if (ratio := child.usage(limit).ratio) is not None:
                labels = (*base, label, limit)
                yield MetricSample("foldwatch_child_ceiling_usage_ratio", labels, ratio)


def _gauges(reading: Reading, prefix: str, labels: tuple[str, ...]) -> Iterator[MetricSample]:
    for name, field in _READING_GAUGES.items():
        value = getattr(reading, field)
        if value is not None:
            yield MetricSample(prefix + name, labels, value)


def _limit_samples(reading: Reading, name: str, labels: tuple[str, ...]) -> Iterator[MetricSample]:
    usage = reading.usage(name)
    if usage.current is not None:
        yield MetricSample("foldwatch_ceiling_usage", labels, usage.current)
    limit = _limit_value(usage.limit)
    if limit is not None:
        yield MetricSample("foldwatch_ceiling_limit", labels, limit)
    if usage.ratio is not None:
        yield MetricSample("foldwatch_ceiling_usage_ratio", labels, usage.ratio)


def _limit_value(limit: Limit) -> float | None:
    if isinstance(limit, int):
        return limit
    return math.inf if limit is LimitState.UNLIMITED else None
