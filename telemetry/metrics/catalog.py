"""The Prometheus metrics: METRICS is the one place that names them, and their names are frozen."""

from __future__ import annotations

from dataclasses import dataclass

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
    "foldwatch_resident_memory_kind_bytes": MetricKind(
        "gauge", "Resident memory of the process by kind: anonymous, file, shared.", ("kind",)
    ),
    "foldwatch_open_fds": MetricKind("gauge", "Open descriptors of the process."),
    "foldwatch_descendants": MetricKind("gauge", "Processes below the process."),
    "foldwatch_tree_threads": MetricKind("gauge", "Threads of the process and its descendants."),
    "foldwatch_tree_resident_memory_bytes": MetricKind(
        "gauge", "Resident memory of the process and its descendants; shared pages count in each."
    ),
    "foldwatch_tree_proportional_memory_bytes": MetricKind(
        "gauge", "Resident memory of the process and its descendants; a shared page counts once."
    ),
    "foldwatch_tree_memory_maps": MetricKind(
        "gauge", "Memory maps of the process and its descendants."
    ),
    "foldwatch_tree_open_fds": MetricKind(
        "gauge", "Open descriptors of the process and its descendants."
    ),
    "foldwatch_child_threads": MetricKind(
        "gauge",
        "Threads of one of the ten descendants nearest to a limit of their own.",
        ("child",),
    ),
    "foldwatch_child_memory_maps": MetricKind("gauge", "Memory maps of one of them.", ("child",)),
    "foldwatch_child_resident_memory_bytes": MetricKind(
        "gauge", "Resident memory of one of them.", ("child",)
    ),
    "foldwatch_child_proportional_memory_bytes": MetricKind(
        "gauge", "Resident memory of one of them, shared pages by parts (PSS).", ("child",)
    ),
    "foldwatch_child_open_fds": MetricKind("gauge", "Open descriptors of one of them.", ("child",)),
    "foldwatch_child_ceiling_usage_ratio": MetricKind(
        "gauge",
        "Usage over limit of a ceiling that one of them has for itself.",
        ("child", "ceiling"),
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
    "foldwatch_pressure_seconds_total": MetricKind(
        "counter",
        "Time in which some task, or all (full), waited for it: of the process's cgroup, or of the host.",
        ("resource", "share", "scope"),
    ),
    "foldwatch_quiet_seconds": MetricKind(
        "gauge", "Since a label, output, CPU time, I/O or a busy GPU was seen."
    ),
    "foldwatch_stalled_after_seconds": MetricKind(
        "gauge", "From so many quiet seconds on the present stage has stalled."
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
    "foldwatch_fold_ended_timestamp_seconds": MetricKind(
        "gauge", "When a fold ended, seconds since the epoch."
    ),
    "foldwatch_fold_outcome": MetricKind(
        "gauge",
        "1 for how a fold ended that left no result, as its failure.json says.",
        ("outcome",),
    ),
    "foldwatch_run_info": MetricKind("gauge", "1 for a run that is shown."),
    "foldwatch_run_state": MetricKind("gauge", "1 for the present state of a run.", ("state",)),
    "foldwatch_run_unreadable": MetricKind(
        "gauge", "1 for a run of which something cannot be read, with the reason.", ("reason",)
    ),
    "foldwatch_gpu_memory_used_bytes": MetricKind("gauge", "Memory used of a GPU.", ("gpu",)),
    "foldwatch_gpu_memory_total_bytes": MetricKind("gauge", "Memory of a GPU.", ("gpu",)),
    "foldwatch_gpu_utilization_ratio": MetricKind("gauge", "Utilisation of a GPU, 0-1.", ("gpu",)),
    "foldwatch_gpu_process_memory_bytes": MetricKind(
        "gauge", "Memory of a GPU that the process uses.", ("gpu",)
    ),
    "foldwatch_gpu_ecc_errors_total": MetricKind(
        "counter",
        "Memory errors of a GPU that could not be corrected, since its driver was loaded.",
        ("gpu",),
    ),
    "foldwatch_gpu_throttled": MetricKind(
        "gauge", "1 if this holds a GPU's clocks down, else 0.", ("gpu", "reason")
    ),
    "foldwatch_last_sample_timestamp_seconds": MetricKind(
        "gauge", "When the last reading was taken, seconds since the epoch."
    ),
    "foldwatch_build_info": MetricKind("gauge", "1, with foldwatch's version.", ("version",)),
}
"""Every metric by name: a public contract. A test holds the README's table against it."""
