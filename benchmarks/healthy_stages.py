"""How often the alert of a stall is raised over 200 stages that are slow and healthy, simulated.

Each is the third of a run's folds, whose stage takes up to ten times as long as in the two before, and works in a way that a
look at it hardly shows. Simulated, for it is the rule that is measured and not a machine; benchmarks.stalls has real ones.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.alerts.engine import AlertEngine
from telemetry.reading import GpuUsage, Reading
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAGES = 200
STEP = 2.0
"""Seconds between two readings."""
NOW = 1_000_000.0


@dataclass
class Process:
    """What the kernel counts of a simulated process, idle at first."""

    chance: random.Random
    time: float = NOW
    pid: int = 7
    due: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(
        default_factory=lambda: {
            "cpu_seconds": 5.0,
            "tree_cpu_seconds": 9.0,
            "tree_io_bytes": 10**8,
            "main_thread_waits": 100,
            "output_time": NOW,
            "state": "S",
        }
    )

    def add(self, name: str, amount: float) -> None:
        """Let a counter rise."""
        self.values[name] = round(self.values[name] + amount, 4)

    def every(self, seconds: float, what: str = "") -> bool:
        """Whether something happens now that happens every so many seconds, half as soon or half as late."""
        is_due = self.time >= self.due.get(what, 0.0)
        if is_due:
            self.due[what] = self.time + self.chance.uniform(0.5, 1.5) * seconds
        return is_due

    def reading(self, **known: Any) -> Reading:
        """Read it; what is paced is read now and then."""
        values = dict(self.values)
        if not self.every(10, "gpus"):
            values.pop("gpus", None)
        if not self.every(5, "tree"):
            del values["tree_cpu_seconds"], values["tree_io_bytes"]
        return Reading(time=self.time, pid=self.pid, start_ticks=1, **(values | known))


def reads_slowly(one: Process) -> None:
    """64 kB/s from a far disk."""
    one.add("tree_io_bytes", STEP * one.chance.uniform(50_000, 150_000))
    one.values["state"] = one.chance.choice("SSD")


def compiles_in_a_child(one: Process) -> None:
    """Its own CPU time stands."""
    one.add("tree_cpu_seconds", STEP * one.chance.uniform(0.3, 1.0))


def downloads(one: Process) -> None:
    """A line of output now and then, and next to no CPU."""
    one.add("cpu_seconds", STEP * 0.002)
    if one.every(8):
        one.values["output_time"] = one.time


def computes(one: Process) -> None:
    """A slow epoch."""
    one.add("cpu_seconds", STEP * one.chance.uniform(0.05, 2.0))
    one.add("tree_cpu_seconds", STEP * 1.0)


def evaluates_on_a_gpu(one: Process) -> None:
    """The CPU waits for it."""
    busy = one.chance.choice((0.0, 0.3, 0.9, 1.0))
    one.values["gpus"] = (GpuUsage(gpu="0", utilization_ratio=busy, process_used_bytes=2**30),)


def saves_to_a_slow_disk(one: Process) -> None:
    """In state D for most of the time, woken by each page that is there."""
    one.values["state"] = "D"
    if one.every(6):
        one.add("main_thread_waits", one.chance.randrange(1, 9))


def writes_in_bursts(one: Process) -> None:
    """8 MB every quarter of a minute."""
    if one.every(15):
        one.add("tree_io_bytes", 8e6)


def waits_for_a_core(one: Process) -> None:
    """Neighbours have them all."""
    one.values["state"] = "R"
    one.add("cpu_seconds", STEP * 0.003)


def waits_for_a_lock_file(_: Process) -> None:
    """Nothing moves, and never did."""


def loses_readings(one: Process) -> None:
    """The machine sleeps, or who reads it does."""
    if one.every(60):
        one.time += one.chance.uniform(60, 7200)
    downloads(one)


def is_replaced(one: Process) -> None:
    """A launcher starts one process after another."""
    if one.every(20):
        one.pid += 1


class Kind(NamedTuple):
    """A kind of stage."""

    works: Callable[[Process], None]
    most_times: float = 10.0
    """As long as usual, in the third fold."""
    is_new: bool = False
    """Whether the stage was never there before."""


KINDS = (
    *map(Kind, (reads_slowly, compiles_in_a_child, downloads, computes, evaluates_on_a_gpu)),
    *map(Kind, (saves_to_a_slow_disk, writes_in_bursts, waits_for_a_core, loses_readings)),
    Kind(is_replaced),
    Kind(waits_for_a_lock_file, most_times=1.8),
    Kind(waits_for_a_lock_file, most_times=4.0, is_new=True),
)


def snapshots(kind: Kind, chance: random.Random) -> Iterator[Snapshot]:
    """Give a run of three folds, reading by reading."""
    one, usual = Process(chance), chance.choice((20, 45, 120, 400))
    folds: dict[int, FoldSnapshot] = {}
    for fold in (1, 2, 3):
        fold_snapshot = FoldSnapshot(fold=fold, state=FoldState.RUNNING)
        times = chance.uniform(min(3.0, kind.most_times), kind.most_times) if fold == 3 else 1.0
        stage = "first seen" if kind.is_new and fold == 3 else "START"
        end = one.time + usual * times * chance.uniform(0.9, 1.0)
        label: str | None = stage
        while label or one.time < end:
            read = one.reading(fold=fold, folds=3, label=label, stage=label)
            fold_snapshot = folds[fold] = fold_snapshot.with_record(read)
            yield Snapshot(run="a", host="h", fold_count=3, folds=tuple(folds.values()))
            label, one.time = None, one.time + STEP
            kind.works(one)
        last = one.reading(fold=fold, folds=3, label="END", stage="END")
        done = fold_snapshot.with_record(last)
        folds[fold] = FoldSnapshot(
            fold=fold, state=FoldState.FINISHED, ended_at=one.time, progress=done.progress
        )


def alarms(kind: Kind, seed: int) -> list[str]:
    """Return what the alerts of a stall say over one run."""
    told: list[str] = []
    engine = AlertEngine(lambda alert: told.append(f"{alert.name}: {alert.summary}"))
    for one in snapshots(kind, random.Random(seed)):
        latest = one.folds[-1].latest
        engine.observe([one], latest.time if latest else NOW)
    return [words for words in told if words.startswith("FoldwatchStalled")]


def main(seed: int = 1) -> None:
    """Print one JSON object."""
    found = {}
    for number in range(STAGES):
        kind = KINDS[number % len(KINDS)]
        if told := alarms(kind, seed * STAGES + number):
            found[f"{kind.works.__name__} {number}"] = told[0]
    print(json.dumps({"stages": STAGES, "false_alarms": len(found), "which": found}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
