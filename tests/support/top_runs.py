"""Runs of every kind for the screens of `foldwatch top`, and a source that shows them as a directory's would."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from telemetry.alerts.engine import AlertEngine
from telemetry.daemon.history import History
from telemetry.daemon.live_state import LiveState
from telemetry.reading import LimitState
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, RunKey, Snapshot
from telemetry.web.state_api import one_run, runs_in_short
from tests.support.builders import child, holders, reading, with_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foldwatch.top.watcher import Wanted
    from telemetry.reading import Reading

NOW = 100_000.0
GIB = 2**30
STAGES = ("START", "data", "built", "after fit", "evaluated")


def limited(fold: int = 2, time: float = NOW - 1, **values: Any) -> Reading:
    """Give a reading with its limits, far from each, with other values in ``values``."""
    known: dict[str, Any] = {
        "pid": 4242,
        "threads": 48,
        "rss_bytes": 3 * GIB,
        "maps": 9_800,
        "open_fds": 120,
        "cgroup_pids": 60,
        "cgroup_memory_bytes": 5 * GIB,
        "cgroup_memory_reclaimable_bytes": 2 * GIB,
        "cgroup": "/sys/fs/cgroup/job",
        "user_tasks": 300,
        "pools": {"tf_Compute": 32, "python": 12, "grpc": 4},
        "limits": {
            "pids_cgroup": 7_680,
            "max_map_count": 65_530,
            "cgroup_memory": 64 * GIB,
            "open_files": 1_024,
            "nproc": LimitState.UNLIMITED,
            "address_space": LimitState.UNLIMITED,
            "gpu_memory": LimitState.INVISIBLE,
        },
    }
    return reading(fold, time, stage="after fit", folds=5, **(known | values))


def fold_of(
    *readings: Reading, state: FoldState = FoldState.RUNNING, **values: Any
) -> FoldSnapshot:
    """Give a fold after these readings."""
    return with_records(FoldSnapshot(fold=readings[-1].fold, state=state, **values), readings)


def run_of(name: str, *folds: FoldSnapshot, **values: Any) -> Snapshot:
    """Give a run on a host, with its directory."""
    whole = Snapshot(
        run=name, host="node-1", fold_count=5, folds=folds, directory=f"/data/runs/{name}"
    )
    return replace(whole, **values)


def healthy(name: str = "bert-base", **values: Any) -> Snapshot:
    """Give a run with nothing to do about it."""
    readings = [
        limited(2, NOW - 300 + 60 * number, maps=9_000 + 200 * number) for number in range(5)
    ]
    return run_of(name, fold_of(*readings, limited(**values)))


def leaking(name: str = "resnet-leak", *, maps: int = 63_600) -> Snapshot:
    """Give a run whose memory maps are nearly all used, judged and with who holds them."""
    readings = [
        limited(4, NOW - 250 + 50 * number, maps=20_000 + 9_000 * number) for number in range(5)
    ]
    fold = fold_of(*readings, limited(4, maps=maps, threads=310))
    growth = GrowthSnapshot(
        resource="maps",
        verdict="critical",
        reason="rises by 14,800 from each fold to the next",
        per_fold=14_800.0,
        folds_to_limit=0.1,
        grown=("8,800 of them are stacks of threads, in libgomp.so",),
    )
    return run_of(name, fold, growth=(growth,))


def crowded(name: str = "crowded-job") -> Snapshot:
    """Give a run whose cgroup is near its limit on PIDs for the sake of others in it."""
    held = holders(
        used=6_600, most=7_680, time=NOW - 20, scope="/sys/fs/cgroup/job", limit="pids_cgroup"
    )
    fold = fold_of(limited(3, cgroup_pids=6_620))
    return run_of(name, replace(fold, holders={"pids_cgroup": held}))


def with_children(name: str = "loader-run") -> Snapshot:
    """Give a run of which a child is nearest to a limit."""
    workers = (
        child(812, open_fds=990, maps=1_200),
        child(813, open_fds=400),
        child(814, role="torchrun rank", maps=20_000),
    )
    fold = fold_of(limited(1, children=workers, descendants=12, tree_threads=96))
    return run_of(name, fold)


def failed(name: str = "vit-oom", *, ago: float = 600.0) -> Snapshot:
    """Give a run of which a fold failed."""
    fold = replace(
        fold_of(limited(3, NOW - ago)),
        state=FoldState.FAILED,
        exit_code=137,
        ended_at=NOW - ago,
        seconds=2_400.0,
        cause="the memory cgroup's limit (certain): the kernel killed process 4242",
        outcome="out of memory",
    )
    return run_of(
        name,
        fold,
        is_over=True,
        resume=f"foldwatch run --resume-mode auto --output /data/runs/{name} --folds 5 -- python train.py",
    )


def died(name: str = "gan-gone") -> Snapshot:
    """Give a run whose process is gone, longer ago than anybody is told of."""
    return run_of(
        name,
        replace(fold_of(limited(1, NOW - 90_000)), state=FoldState.DIED, ended_at=NOW - 90_000),
    )


def stale(name: str = "nfs-stuck") -> Snapshot:
    """Give a run of which nothing was heard for a while."""
    return run_of(name, fold_of(limited(2, NOW - 900), state=FoldState.STALE))


def unreadable(name: str = "others-run") -> Snapshot:
    """Give a run whose files are not ours."""
    return Snapshot(run=name, host="node-1", unreadable="journal.jsonl: Permission denied")


def waiting(name: str = "queued") -> Snapshot:
    """Give a run that has not begun."""
    return run_of(name)


def finished(name: str = "done-1") -> Snapshot:
    """Give a run that is over."""
    fold = replace(
        fold_of(limited(5, NOW - 7_200)),
        state=FoldState.FINISHED,
        ended_at=NOW - 7_200,
        seconds=1_800.0,
    )
    return run_of(name, fold, is_over=True)


def hostile(name: str = "[bold red]x[/]\x1b[31m\nrm -rf\u202e\x07") -> Snapshot:
    """Give a run whose names hold what a terminal, or markup, would obey."""
    return healthy(name)


def of_ranks(count: int, name: str = "llama-ddp") -> list[Snapshot]:
    """Give a run of so many ranks, of which one leaks and one is silent."""
    found = []
    for rank in range(count):
        one = healthy(name, threads=40 + rank % 3, maps=9_000 + 7 * rank)
        if rank == 37:
            odd = ("rank 37 holds 2.1 times the threads of the others",)
            one = replace(leaking(name, maps=58_300), odd=odd)
        elif rank == 12:
            one = stale(name)
        found.append(replace(one, rank=str(rank), host=f"node-{rank // 8}"))
    return found


def ten() -> list[Snapshot]:
    """Give a run of each kind."""
    return [
        *(healthy(), leaking(), crowded(), with_children(), failed(), died(), stale()),
        *(unreadable(), waiting(), finished()),
    ]


def sixty() -> list[Snapshot]:
    """Give many runs, most of them well."""
    names = [f"sweep/lr-{number:02d}" for number in range(50)]
    return [*ten(), *(healthy(name, maps=9_000 + 517 * place) for place, name in enumerate(names))]


def _history(snapshot: Snapshot) -> History:
    """Give curves that rise from half of the last reading to all of it, in steps."""
    found = History()
    for fold in snapshot.folds:
        if (latest := fold.latest) is None:
            continue
        for step in range(60):
            values: dict[str, Any] = {
                name: int(value * (0.5 + step // 6 / 18))
                for name in ("threads", "maps", "rss_bytes")
                if (value := getattr(latest, name)) is not None
            }
            found.add(fold.fold, replace(latest, time=latest.time - 600 + 10 * step, **values))
        found.add(fold.fold, latest)
    return found


class SnapshotSource:
    """Shows snapshots, with their alerts, as a directory's source does; through JSON, as a page's."""

    name = "runs"

    def __init__(self, snapshots: Sequence[Snapshot] = (), *, problem: str = "") -> None:
        self.problem = problem
        self.looks = 0
        self._alerts = AlertEngine()
        self._board = LiveState(alerts=lambda: self._alerts.active, clock=lambda: NOW)
        self.show(snapshots)

    def show(self, snapshots: Sequence[Snapshot]) -> None:
        """Show these from now on; what holds has held for a minute."""
        for now in (NOW - 61, NOW):
            self._alerts.observe(snapshots, now)
        self._board.publish(snapshots, {one.key: _history(one) for one in snapshots})

    def look(self, wanted: Wanted) -> dict[str, Any]:
        """Return the state."""
        self.looks += 1
        if self.problem:
            raise OSError(self.problem)
        full = None if wanted is None else one_run(self._board, RunKey(*wanted))
        state: dict[str, Any] = json.loads(json.dumps({**runs_in_short(self._board), "run": full}))
        return state

    def close(self) -> None:
        """Nothing is held."""
