"""A day of the daemon in minutes: 60 runs at a time, each of four hours; its memory has to stay as it is.

A round stands for a minute. In it every run takes a reading every ten seconds, labelled ones among them; some come near
a limit and go again, so that alerts begin and end. A run that is over is removed an hour later, and another begins.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from typing import TYPE_CHECKING

from telemetry.alerts.dispatch import alerting
from telemetry.daemon.daemon import Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.journal.records import Event, Header
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Reading
from telemetry.web.state_api import encoded_state
from trainer.runner.growth_so_far import judge_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from telemetry.journal.records import Record
    from telemetry.snapshot import Snapshot

RUNS = 60
HOURS = 24
FOLDS = 4
FOLD_MINUTES = 60
EVERY_SECONDS = 10
KEPT_MINUTES = 60
MOST_GROWTH = 1.05
BEGAN = 1.7e9
LIMITS = {"max_map_count": 65530, "pids_cgroup": 7680, "cgroup_memory": 2**34}


def records(number: int, minute: int, pid: int, chance: random.Random) -> Iterator[Record]:
    """Give what a run writes in one of its minutes."""
    fold, of_fold = divmod(minute, FOLD_MINUTES)
    began = BEGAN + 60 * number
    if minute == 0:
        yield Header(
            time=began,
            pid=pid,
            start_ticks=pid,
            host=f"node-{pid % 7}",
            argv=("train.py",),
            versions={},
            environment={},
            ceilings=(),
        )
    for second in range(0, 60, EVERY_SECONDS):
        stage = f"epoch {of_fold}" if second == 0 else None
        used = 0.97 if pid % 10 == 0 and of_fold > FOLD_MINUTES - 10 else 0.3
        yield Reading(
            time=began + second,
            pid=pid,
            start_ticks=pid,
            label=stage and f"Fold {fold + 1}/{FOLDS} {stage}",
            stage=stage,
            fold=fold + 1,
            folds=FOLDS,
            threads=40 + chance.randrange(9),
            maps=round(used * LIMITS["max_map_count"]) + chance.randrange(90),
            rss_bytes=2**30 + chance.randrange(2**27),
            cgroup_pids=400,
            limits=LIMITS,
            pools={f"pool-{n}": n for n in range(12)} if stage else None,
        )
    if minute == FOLDS * FOLD_MINUTES - 1:
        yield Event(time=began + 59, pid=pid, name="exited", facts={"exit_code": 0})


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Day:
    """The runs of a day, and the daemon that follows them."""

    def __init__(self, top: str, seed: int) -> None:
        self._top = top
        self._chance = random.Random(seed)
        self._minute = 0
        self._alerts = 0
        self.levels: list[int] = []
        """Resident bytes, each hour."""

    def _write(self, slot: int) -> None:
        """Let the run in a slot go on by a minute; slots begin one after another."""
        length = FOLDS * FOLD_MINUTES + KEPT_MINUTES
        number, minute = divmod(self._minute + slot * length // RUNS, length)
        place = os.path.join(self._top, f"run-{slot}-{number}")
        if minute < FOLDS * FOLD_MINUTES:
            writer = JournalWriter(os.path.join(place, "journal.jsonl"))
            pid = 1000 + slot + RUNS * number
            for record in records(self._minute, minute, pid, self._chance):
                writer.write(record)
            writer.close()
        elif minute == length - 1:
            shutil.rmtree(place, ignore_errors=True)

    def _log(self, _: str) -> None:
        self._alerts += 1

    def run(self) -> dict[str, object]:
        """Let the day pass; return what it cost."""
        with alerting(log=self._log) as alerts:
            state = LiveState(alerts=lambda: alerts.active, clock=self._now)

            def publish(snapshots: Sequence[Snapshot]) -> None:
                state.publish(snapshots, daemon.histories())
                alerts.observe(snapshots, self._now())

            daemon = Daemon(self._top, judge=judge_run, on_publish=publish, clock=self._now)
            for self._minute in range(HOURS * 60):
                for slot in range(RUNS):
                    self._write(slot)
                daemon.collect()
                state.exposition.text(is_open_metrics=True)
                if self._minute % 60 == 59:
                    encoded_state(state, None)
                    self.levels.append(resident_bytes())
        return {"alerts": self._alerts, "runs": len(state.snapshots)}

    def _now(self) -> float:
        return BEGAN + 60 * (self._minute + 1)


def main(seed: int = 5) -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as top:
        day = Day(top, seed)
        found = day.run()
    quarter = len(day.levels) // 4
    early, late = (
        statistics.median(part)
        for part in (day.levels[quarter : 2 * quarter], day.levels[-quarter:])
    )
    megabytes = [level >> 20 for level in day.levels]
    grown = late / early
    print(
        json.dumps(found | {"megabytes": megabytes, "grown": grown, "failed": grown > MOST_GROWTH})
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
