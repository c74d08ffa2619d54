"""Values of the product's types, complete and plausible, of which a test names only what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from telemetry.holders import Holders
from telemetry.journal.records import Event, Header
from telemetry.journal.writer import JournalWriter
from telemetry.reading import ChildUsage, GpuUsage, LimitState, Reading
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from telemetry.holders import LimitHolder
    from telemetry.journal.records import Record

NOW = 1000.0
"""When a reading is taken, in seconds since the epoch, if the test does not care."""
HOSTILE_LABEL = 'a"} 1\nfoldwatch_threads 666\n\\'
"""A checkpoint's label that would break Prometheus's text format if it were not escaped."""


def reading(
    fold: int | None = None,
    time: float = NOW,
    *,
    stage: str | None = "START",
    folds: int = 3,
    **values: Any,
) -> Reading:
    """Give a reading of process 7: a checkpoint at ``stage`` of ``fold``, or a sample.

    Args:
        fold: Number of the fold, from 1; None for a process that has not named one.
        time: Seconds since the epoch.
        stage: The label without its fold; None for a sample between checkpoints.
        folds: How many folds there are.
        **values: Any other field of `Reading`.
    """
    label = f"Fold {fold}/{folds} {stage}" if fold and stage else stage
    known: dict[str, Any] = {"pid": 7, "threads": 9, "label": label, "stage": stage}
    if fold:
        known["folds"] = folds
    return Reading(time=time, fold=fold, **(known | values))


def header(host: str = "node", rank: str = "", **values: Any) -> Header:
    """Give the first record of process 7's journal, with any other field in ``values``."""
    known: dict[str, Any] = {
        "time": NOW,
        "pid": 7,
        "start_ticks": 1,
        "boot_id": None,
        "argv": (),
        "versions": {},
        "environment": {},
        "ceilings": (),
    }
    return Header(host=host, rank=rank, **(known | values))


def holders(
    *top: LimitHolder, limit: str = "pids_cgroup", used: int = 386, **values: Any
) -> Holders:
    """Give who held a limit: by default the 386 tasks of a pids cgroup for 400."""
    known: dict[str, Any] = {"time": NOW, "most": 400, "scope": "/sys/fs/cgroup/job"}
    return Holders(limit=limit, used=used, top=top, **(known | values))


def exited(time: float = NOW, **facts: Any) -> Event:
    """Give the event that the runner writes at the end of process 7, with exit code 1 by default."""
    return Event(time=time, pid=7, name="exited", facts={"exit_code": 1} | facts)


def write_journal(folder: Path, *records: Record) -> str:
    """Append ``records`` to the journal in ``folder``, which need not exist, and return its path."""
    path = str(folder / "journal.jsonl")
    writer = JournalWriter(path)
    for record in records:
        writer.write(record)
    writer.close()
    return path


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def child(pid: int = 812, role: str = "DataLoader worker", **values: Any) -> ChildUsage:
    """Give a child process whose maps and descriptors are limited, far from either, with any other field in ``values``."""
    known: dict[str, Any] = {
        "start_ticks": 5,
        "threads": 4,
        "maps": 900,
        "rss_bytes": 2**28,
        "open_fds": 12,
        "limits": {"max_map_count": 65530, "open_files": 1024},
    }
    return ChildUsage(pid=pid, role=role, **(known | values))


def full_reading(label: str | None = None, **values: Any) -> Reading:
    """Give a reading in which every source gave something, with a limit in each state."""
    whole = Reading(
        time=100.0,
        pid=1,
        label=label,
        stage=label,
        threads=36,
        maps=1850,
        rss_bytes=2**30,
        cgroup_pids=0,
        open_fds=9,
        pids_limit_hits=2,
        oom_kills=0,
        descendants=2,
        tree_threads=40,
        tree_rss_bytes=2**31,
        tree_pss_bytes=2**30,
        tree_maps=2000,
        tree_open_fds=20,
        children=(child(pss_bytes=2**20),),
        rss_anon_bytes=2**29,
        rss_file_bytes=2**28,
        rss_shmem_bytes=0,
        cgroup_memory_reclaimable_bytes=3,
        pools={"tf_Compute": 8},
        pressure_seconds={"memory_some": 1.5},
        pressure_scope="cgroup",
        gpus=(
            GpuUsage(
                gpu="0",
                used_bytes=1,
                total_bytes=2,
                utilization_ratio=0.5,
                process_used_bytes=1,
                ecc_errors=0,
                throttled_by=("hw_thermal",),
            ),
        ),
        limits={
            "pids_cgroup": LimitState.UNLIMITED,
            "max_map_count": 65530,
            "cgroup_memory": LimitState.INVISIBLE,
            "open_files": LimitState.UNREADABLE,
        },
        errors={"fd": "EMFILE"} if label else {},
    )
    return replace(whole, **values)


def with_records(fold: FoldSnapshot, records: Iterable[Record]) -> FoldSnapshot:
    """Return ``fold`` as it is after all of ``records``, in their order."""
    return reduce(FoldSnapshot.with_record, records, fold)


def snapshot(*folds: FoldSnapshot, **values: Any) -> Snapshot:
    """Give the state of run ``r`` on host ``h`` with these of its three folds."""
    whole = Snapshot(run="r", host="h", fold_count=3, folds=folds)
    return replace(whole, **values)


def full_snapshot() -> Snapshot:
    """Give the state of a run of which every metric has a sample."""
    running = with_records(
        FoldSnapshot(fold=1, state=FoldState.RUNNING),
        (full_reading(label, cgroup_memory_bytes=5) for label in ("START", HOSTILE_LABEL)),
    )
    ended = FoldSnapshot(
        fold=2,
        state=FoldState.FAILED,
        exit_code=134,
        seconds=9.5,
        ended_at=0.0,
        outcome="signal",
    )
    growth = GrowthSnapshot(
        resource="maps", verdict="growing", reason="", per_fold=730.0, folds_to_limit=9.5
    )
    return snapshot(running, ended, growth=(growth,), unreadable="journal.jsonl: Permission denied")
