"""The names under which OTLP has the metrics of `telemetry.metrics.catalog`: OpenTelemetry's own where it defines one.

Owns names, kinds, units (UCUM) and attributes. Where one metric for Prometheus is in bytes or in numbers by its first
label, OTLP, where each has one unit, has two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["counter", "updowncounter", "gauge"]

FOLD, RANK = "foldwatch.fold.number", "foldwatch.rank"
"""The attributes that say whose a point is; absent of a run as a whole, and of a training without ranks."""
LIMIT, RESOURCE = "foldwatch.limit.name", "foldwatch.resource.name"


class OtlpMetric(NamedTuple):
    """One metric of OTLP; ``attributes`` are in the order of the labels that the metric for Prometheus has of its own."""

    name: str
    kind: Kind
    unit: str
    attributes: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    """Attributes that are the same for every point."""
    is_fraction: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers: a stream never changes between the two kinds of numbers."""
        return self.kind == "updowncounter" or (
            not self.is_fraction and (self.unit == "By" or self.unit.startswith("{"))
        )


_GPU = ("hw.id",)
_CHILD = ("foldwatch.child",)
_STAGE = ("foldwatch.stage",)

OTLP_METRICS: Mapping[str, OtlpMetric] = {
    "foldwatch_threads": OtlpMetric("process.thread.count", "updowncounter", "{thread}"),
    "foldwatch_memory_maps": OtlpMetric(
        "foldwatch.process.memory_map.count", "updowncounter", "{mapping}"
    ),
    "foldwatch_resident_memory_bytes": OtlpMetric("process.memory.usage", "updowncounter", "By"),
    "foldwatch_resident_memory_kind_bytes": OtlpMetric(
        "foldwatch.process.memory.resident", "updowncounter", "By", ("foldwatch.memory.kind",)
    ),
    "foldwatch_open_fds": OtlpMetric(
        "process.unix.file_descriptor.count", "updowncounter", "{file_descriptor}"
    ),
    "foldwatch_descendants": OtlpMetric(
        "foldwatch.process.descendant.count", "updowncounter", "{process}"
    ),
    "foldwatch_tree_threads": OtlpMetric(
        "foldwatch.tree.thread.count", "updowncounter", "{thread}"
    ),
    "foldwatch_tree_resident_memory_bytes": OtlpMetric(
        "foldwatch.tree.memory.usage", "updowncounter", "By"
    ),
    "foldwatch_tree_proportional_memory_bytes": OtlpMetric(
        "foldwatch.tree.memory.proportional", "updowncounter", "By"
    ),
    "foldwatch_tree_memory_maps": OtlpMetric(
        "foldwatch.tree.memory_map.count", "updowncounter", "{mapping}"
    ),
    "foldwatch_tree_open_fds": OtlpMetric(
        "foldwatch.tree.file_descriptor.count", "updowncounter", "{file_descriptor}"
    ),
    "foldwatch_child_threads": OtlpMetric(
        "foldwatch.child.thread.count", "updowncounter", "{thread}", _CHILD
    ),
    "foldwatch_child_memory_maps": OtlpMetric(
        "foldwatch.child.memory_map.count", "updowncounter", "{mapping}", _CHILD
    ),
    "foldwatch_child_resident_memory_bytes": OtlpMetric(
        "foldwatch.child.memory.usage", "updowncounter", "By", _CHILD
    ),
    "foldwatch_child_proportional_memory_bytes": OtlpMetric(
        "foldwatch.child.memory.proportional", "updowncounter", "By", _CHILD
    ),
    "foldwatch_child_open_fds": OtlpMetric(
        "foldwatch.child.file_descriptor.count", "updowncounter", "{file_descriptor}", _CHILD
    ),
    "foldwatch_child_ceiling_usage_ratio": OtlpMetric(
        "foldwatch.child.limit.utilization", "gauge", "1", (*_CHILD, LIMIT)
    ),
    "foldwatch_pool_threads": OtlpMetric(
        "foldwatch.pool.thread.count", "updowncounter", "{thread}", ("foldwatch.pool",)
    ),
    "foldwatch_cgroup_pids": OtlpMetric("foldwatch.cgroup.task.count", "updowncounter", "{task}"),
    "foldwatch_cgroup_memory_bytes": OtlpMetric(
        "foldwatch.cgroup.memory.usage", "updowncounter", "By"
    ),
    "foldwatch_cgroup_memory_reclaimable_bytes": OtlpMetric(
        "foldwatch.cgroup.memory.reclaimable", "updowncounter", "By"
    ),
    "foldwatch_ceiling_usage": OtlpMetric(
        "foldwatch.limit.count.usage", "gauge", "{item}", (LIMIT,)
    ),
    "foldwatch_ceiling_limit": OtlpMetric(
        "foldwatch.limit.count.limit", "gauge", "{item}", (LIMIT,)
    ),
    "foldwatch_ceiling_usage_ratio": OtlpMetric(
        "foldwatch.limit.utilization", "gauge", "1", (LIMIT,)
    ),
    "foldwatch_pids_limit_hits_total": OtlpMetric(
        "foldwatch.cgroup.fork.refused", "counter", "{fork}"
    ),
    "foldwatch_oom_kills_total": OtlpMetric("foldwatch.cgroup.oom.killed", "counter", "{process}"),
    "foldwatch_pressure_seconds_total": OtlpMetric(
        "foldwatch.pressure.time",
        "counter",
        "s",
        ("foldwatch.pressure.resource", "foldwatch.pressure.share", "foldwatch.pressure.scope"),
    ),
    "foldwatch_quiet_seconds": OtlpMetric("foldwatch.fold.quiet_time", "gauge", "s"),
    "foldwatch_stalled_after_seconds": OtlpMetric("foldwatch.fold.stall_time", "gauge", "s"),
    "foldwatch_sample_errors_total": OtlpMetric(
        "foldwatch.sample.errors", "counter", "{error}", ("foldwatch.sample.source",)
    ),
    "foldwatch_checkpoint_threads": OtlpMetric(
        "foldwatch.checkpoint.thread.count", "gauge", "{thread}", _STAGE
    ),
    "foldwatch_checkpoint_memory_maps": OtlpMetric(
        "foldwatch.checkpoint.memory_map.count", "gauge", "{mapping}", _STAGE
    ),
    "foldwatch_checkpoint_resident_memory_bytes": OtlpMetric(
        "foldwatch.checkpoint.memory.usage", "gauge", "By", _STAGE
    ),
    "foldwatch_checkpoint_cgroup_pids": OtlpMetric(
        "foldwatch.checkpoint.cgroup.task.count", "gauge", "{task}", _STAGE
    ),
    "foldwatch_checkpoint_timestamp_seconds": OtlpMetric(
        "foldwatch.checkpoint.time", "gauge", "s", _STAGE
    ),
    "foldwatch_fold_state": OtlpMetric(
        "foldwatch.fold.state", "updowncounter", "1", ("foldwatch.fold.state",)
    ),
    "foldwatch_folds": OtlpMetric("foldwatch.run.fold.count", "gauge", "{fold}"),
    "foldwatch_growth_per_fold": OtlpMetric(
        "foldwatch.growth.count", "gauge", "{item}/{fold}", (RESOURCE,), is_fraction=True
    ),
    "foldwatch_folds_to_limit": OtlpMetric(
        "foldwatch.growth.folds_left", "gauge", "{fold}", (RESOURCE,), is_fraction=True
    ),
    "foldwatch_fold_exit_code": OtlpMetric("foldwatch.fold.exit_code", "gauge", "{code}"),
    "foldwatch_fold_seconds": OtlpMetric("foldwatch.fold.duration", "gauge", "s"),
    "foldwatch_fold_ended_timestamp_seconds": OtlpMetric("foldwatch.fold.end_time", "gauge", "s"),
    "foldwatch_fold_outcome": OtlpMetric(
        "foldwatch.fold.outcome", "updowncounter", "1", ("foldwatch.fold.outcome",)
    ),
    "foldwatch_run_state": OtlpMetric(
        "foldwatch.run.state", "updowncounter", "1", ("foldwatch.run.state",)
    ),
    "foldwatch_run_unreadable": OtlpMetric(
        "foldwatch.run.unreadable", "updowncounter", "1", ("foldwatch.run.unreadable.reason",)
    ),
    "foldwatch_gpu_memory_used_bytes": OtlpMetric(
        "hw.gpu.memory.usage", "updowncounter", "By", _GPU
    ),
    "foldwatch_gpu_memory_total_bytes": OtlpMetric(
        "hw.gpu.memory.limit", "updowncounter", "By", _GPU
    ),
    "foldwatch_gpu_utilization_ratio": OtlpMetric("hw.gpu.utilization", "gauge", "1", _GPU),
    "foldwatch_gpu_process_memory_bytes": OtlpMetric(
        "foldwatch.process.gpu.memory.usage", "updowncounter", "By", _GPU
    ),
    "foldwatch_gpu_ecc_errors_total": OtlpMetric(
        "hw.errors", "counter", "{error}", _GPU, (("hw.type", "gpu"), ("error.type", "uncorrected"))
    ),
    "foldwatch_gpu_throttled": OtlpMetric(
        "foldwatch.gpu.throttled", "updowncounter", "1", (*_GPU, "foldwatch.gpu.throttle_reason")
    ),
    "foldwatch_last_sample_timestamp_seconds": OtlpMetric("foldwatch.sample.time", "gauge", "s"),
}
"""By the name in `telemetry.metrics.catalog.METRICS`."""
IN_BYTES: Mapping[str, OtlpMetric] = {
    "foldwatch_ceiling_usage": OtlpMetric("foldwatch.limit.memory.usage", "gauge", "By", (LIMIT,)),
    "foldwatch_ceiling_limit": OtlpMetric("foldwatch.limit.memory.limit", "gauge", "By", (LIMIT,)),
    "foldwatch_growth_per_fold": OtlpMetric(
        "foldwatch.growth.memory", "gauge", "By/{fold}", (RESOURCE,), is_fraction=True
    ),
}
"""The same for a limit or a resource that is counted in bytes."""
ELSEWHERE: Mapping[str, str] = {
    "foldwatch_run_info": "the resource attribute `foldwatch.run.name`",
    "foldwatch_build_info": "the version of the scope `foldwatch`",
}
"""Metrics of `METRICS` that are none in OTLP, and what says the same there."""


def otlp_metric(name: str, own_labels: tuple[str, ...]) -> OtlpMetric | None:
    """Return the metric of OTLP for a sample; None if something else says it."""
    if name in IN_BYTES and _is_in_bytes(own_labels[0]):
        return IN_BYTES[name]
    return OTLP_METRICS.get(name)


def _is_in_bytes(limit_or_resource: str) -> bool:
    spec = LIMITS.get(limit_or_resource)
    return limit_or_resource.endswith("_bytes") if spec is None else spec.is_bytes
