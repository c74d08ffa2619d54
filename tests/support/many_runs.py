"""Run directories as a night leaves them: healthy, leaking, failed, died, stale and unreadable runs, and one of many ranks."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telemetry.holders import HolderKind, LimitHolder
from telemetry.journal.records import Event
from telemetry.kernel.process_identity import own_identity
from tests.support.builders import header, holders, reading, write_journal, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.journal.records import Record
    from telemetry.reading import Reading

STAGES = ("START", "AFTER BUILD", "AFTER FIT", "AFTER CLEANUP")
FOLDS = 5
FOLD_SECONDS = 600.0
NO_PROCESS = 2**22 + 1
"""A number that no process has: over the largest pid_max."""
LIMITS = {
    "pids_cgroup": 7680,
    "max_map_count": 65_530,
    "cgroup_memory": 32 * 2**30,
    "open_files": 1024,
    "threads_max": 250_000,
    "pid_max": 4_194_304,
    "host_memory": 256 * 2**30,
    "nproc": 127_000,
    "gpu_memory": 80 * 2**30,
}
CAUSE = "cgroup_memory (certain: 1 kill counted, 32,768 of 32,768 MB); Killed"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a run of this kind writes."""

    name: str
    folds: int = 3
    """Begun."""
    age: float = 1.0
    """Seconds since its last reading."""
    grows: int = 0
    """Memory maps in a fold, in one process that runs all of them."""
    leaks_threads: int = 0
    """Threads in a fold, in one process as well."""
    at: dict[str, Any] = field(default_factory=dict)
    """Fields of its readings that differ."""
    outcome: str = ""
    """As failure.json has it; ``finished`` for a result."""
    is_here: bool = False
    """Whether it was a process of this host, which is gone."""
    has_holders: bool = False


HEALTHY = Kind(name="healthy")
KINDS = (
    HEALTHY,
    Kind(name="leaking", folds=4, grows=14_000),
    HEALTHY,
    Kind(name="failed", age=1800.0, outcome="signal"),
    HEALTHY,
    Kind(name="died", age=900.0, is_here=True),
    Kind(name="finished", folds=FOLDS, age=7200.0, outcome="finished"),
    Kind(name="stale", age=700.0),
    Kind(name="crowded", at={"cgroup_pids": 7490}, has_holders=True),
    Kind(name="unreadable"),
    Kind(name="creeping", folds=4, leaks_threads=12),
    Kind(name="interrupted", age=5400.0, outcome="interrupted"),
    Kind(name="failed long ago", age=400_000.0, outcome="exit code"),
)
"""The first ten are one of each that matters."""


def write_runs(top: Path, count: int, now: float) -> None:
    """Write ``count`` runs below ``top``, whose last readings are of ``now``; one alone is healthy."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)] if number < len(KINDS) or number % 7 == 0 else HEALTHY
        host = f"trainer-{number % 4 + 1}"
        write_run(top / f"{kind.name.replace(' ', '-')}-{number:02}", kind, host=host, now=now)


def write_run(run: Path, kind: Kind, *, host: str, now: float) -> None:
    """Write one run, fold by fold."""
    if kind.name == "unreadable":
        run.mkdir(parents=True)
        (run / "journal.jsonl").write_text("this is no record\n" * 40)
        return
    write_json(run / "run.json", {"schema": 1, "config": {"folds": FOLDS, "command": ["python"]}})
    (run / ".lock").touch()  # held by nobody: what waits here is not to come
    identity = own_identity()
    for fold in range(1, kind.folds + 1):
        is_one = bool(kind.grows or kind.leaks_threads)
        pid = NO_PROCESS if kind.is_here else 7000 + fold * (not is_one)
        own: dict[str, Any] = {"boot_id": identity.boot_id, "pid_namespace": identity.pid_namespace}
        first = header(
            socket.gethostname() if kind.is_here else host,
            pid=pid,
            start_ticks=1,
            argv=("python", "train.py", "--lr", "0.1"),
            **(own if kind.is_here else {}),
        )
        is_last = fold == kind.folds
        ends = now - kind.age - (kind.folds - fold) * FOLD_SECONDS
        records: list[Record] = [first, *_readings(kind, fold, pid, ends)]
        if kind.has_holders and is_last:
            records.insert(-1, _held(ends))
        write_journal(run if is_one else run / f"fold-{fold}", *records)
        if is_one:
            continue
        if not is_last or kind.outcome == "finished":
            _finish(run, fold, ends)
        elif kind.outcome:
            _fail(run, fold, kind.outcome, ends)


def _readings(kind: Kind, fold: int, pid: int, ends: float) -> Iterator[Reading]:
    """Give the readings of one fold, the last one at ``ends``."""
    count = 40
    for number in range(count):
        share = number / (count - 1)
        stage = STAGES[number // 13] if number % 13 == 0 else None
        grown = fold - 1 + share
        values = {
            "threads": 36 + int(kind.leaks_threads * grown) + number % 3,
            "maps": 1850 + int(kind.grows * grown),
            "rss_bytes": int((3.2 + 0.1 * share) * 2**30),
            "cgroup_pids": 60 + int(kind.leaks_threads * grown),
            # Full of page cache, as it is after a while.
            "cgroup_memory_bytes": int(31.7 * 2**30),
            "cgroup_memory_reclaimable_bytes": (27 * 2**30),
            "open_fds": 88,
            "host_tasks": 4200 + number,
            "host_memory_used_bytes": 90 * 2**30,
            "user_tasks": 640,
            "gpu_memory_used_bytes": int(78.9 * 2**30),
            "tree_threads": 52,
            "descendants": 4,
            "tree_pss_bytes": 4 * 2**30,
            "pools": {"python": 1, "tf_Compute": 16, "tf_data": 19},
        }
        yield reading(
            fold,
            ends - (1 - share) * FOLD_SECONDS * 0.9,
            stage=stage,
            folds=FOLDS,
            pid=pid,
            start_ticks=1,
            uid=1000,
            cgroup="/user.slice/training",
            limits=LIMITS,
            **(values | kind.at),
        )


def _held(time: float) -> Event:
    found = holders(
        LimitHolder(kind=HolderKind.PROGRAM, amount=7300, name="neighbour.py", pid=812),
        LimitHolder(kind=HolderKind.RUN, amount=52),
        used=7490,
        most=7680,
    )
    return Event(time=time, pid=7003, name="holders", facts=found.facts())


def _finish(run: Path, fold: int, ended: float) -> None:
    content = {"schema": 1, "fold": fold, "folds": FOLDS, "metrics": {"score": 0.9}, "seconds": 540}
    path = run / f"fold-{fold}" / "result.json"
    write_json(path, content)
    os.utime(path, (ended, ended))


def _fail(run: Path, fold: int, outcome: str, ended: float) -> None:
    content = {
        "schema": 1,
        "fold": fold,
        "outcome": outcome,
        "exit_code": 137,
        "reason": "SIGKILL",
        "root_cause": "" if outcome == "interrupted" else CAUSE,
        "seconds": 540,
    }
    path = run / f"fold-{fold}" / "failure.json"
    write_json(path, content)
    os.utime(path, (ended, ended))


def write_ranks(top: Path, count: int, now: float) -> None:
    """Write one run of ``count`` ranks, eight on a host, into one journal: rank 3 leaks memory maps, rank 17 fell silent."""
    records: list[Record] = []
    for rank in range(count):
        kind = Kind(name="rank", grows=14_000 if rank == 3 else 0, age=400.0 if rank == 17 else 1.0)
        pid = 9000 + rank
        begins = now - 4 * FOLD_SECONDS
        first = header(f"node-{rank // 8 + 1}", str(rank), time=begins, pid=pid, start_ticks=1)
        records.append(first)
        for fold in range(1, 4):
            ends = now - kind.age - (3 - fold) * FOLD_SECONDS
            records += _readings(kind, fold, pid, ends)
    records.sort(key=lambda one: one.time)
    write_journal(top / "pretraining", *records)
