"""A night of ten runs on one daemon: who is told of what, in which order, and that no death resolves anything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.alerts.engine import AlertEngine
from telemetry.daemon.daemon import Daemon
from telemetry.journal.records import Event
from telemetry.kernel.process_identity import own_identity, start_ticks
from tests.support.at_once import AtOnce
from tests.support.builders import header, reading, write_journal, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from telemetry.alerts.alert import Alert

BEGAN = 1_000_000.0
STEP = 5
DIES = 600
"""Seconds into the night at which what dies is read last."""
CAUSES = {
    "pids": "pids_cgroup (certain): pids_limit_hits rose from 0 to 1; last line: can't start new thread",
    "oom": "cgroup_memory (certain): oom_kills rose from 0 to 1; last line: epoch 3",
    "exception": "exited with 1; last line: ValueError: shapes do not match",
}
OWN = own_identity()


class Run:
    """One run of the night, which writes a reading every five seconds for as long as it goes on."""

    def __init__(self, top: Path, name: str, *, pid: int, ticks: int | None, **own: Any) -> None:
        self.name, self.place = name, top / name
        self.pid, self.ticks, self.fold = pid, ticks, 1
        known = {"boot_id": OWN.boot_id, "pid_namespace": OWN.pid_namespace, "argv": ("train",)}
        self._header = header(socket.gethostname(), pid=pid, start_ticks=ticks, **(known | own))
        self.folder = self.place
        self.has_begun = False

    def isolated(self, folds: int = 1) -> Run:
        """Let it be one of ``foldwatch run``, each fold with a directory of its own."""
        write_json(self.place / "run.json", {"config": {"folds": folds, "command": ["train"]}})
        self.folder = self.place / "fold-1"
        return self

    def read(self, at: float, **values: Any) -> None:
        """Write a reading, at first with a label."""
        records: list[Any] = [] if self.has_begun else [self._header]
        stage = None if self.has_begun else "fit"
        known: dict[str, Any] = {
            "cgroup": "/sys/fs/cgroup/job",
            "pids_limit_hits": 0,
            "oom_kills": 0,
        }
        known |= {"limits": {"pids_cgroup": 1000, "max_map_count": 65530}, "cgroup_pids": 100}
        known |= {"pid": self.pid, "start_ticks": self.ticks, "folds": 2}
        fold = self.fold if not self.has_begun else None
        records.append(reading(fold, BEGAN + at, stage=stage, **(known | values)))
        write_journal(self.folder, *records)
        self.has_begun = True

    def exits(self, at: float, code: int, **facts: Any) -> None:
        """Write how its process ended, as what launched it does."""
        known = {"exit_code": code, "cgroup": "/sys/fs/cgroup/job", **facts}
        write_journal(self.folder, Event(time=BEGAN + at, pid=self.pid, name="exited", facts=known))

    def fails(self, at: float, code: int, outcome: str, cause: str, **facts: Any) -> None:
        """Let its fold leave a failure.json."""
        self.exits(at, code, **facts)
        content = {"exit_code": code, "outcome": outcome, "root_cause": cause, "seconds": at}
        write_json(self.folder / "failure.json", content)


@pytest.fixture(name="gone", scope="module")
def gone_fixture() -> tuple[int, int | None]:
    """Give the number and the start of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process.pid, start_ticks(process.pid)
        process.communicate(b"\n")
    return identity


def healthy(run: Run) -> Iterator[None]:
    for at in range(0, 1500, STEP):
        run.read(at)
        yield
    run.exits(1500, 0)


def leaking_pids(run: Run) -> Iterator[None]:
    for at in range(0, DIES, STEP):
        run.read(at, cgroup_pids=min(998, 400 + at))
        yield
    run.fails(DIES, 134, "signal", CAUSES["pids"], pids_limit_hits=1)


def leaking_maps(run: Run) -> Iterator[None]:
    """Nobody wrote how it ended: ``telemetry.start`` alone."""
    for at in range(0, DIES, STEP):
        run.read(at, maps=min(65_000, 30_000 + at * 60))
        yield


def out_of_memory(run: Run) -> Iterator[None]:
    for at in range(0, DIES, STEP):
        run.read(at)
        yield
    run.fails(DIES, 137, "out of memory", CAUSES["oom"], oom_kills=1)


def hanging(run: Run) -> Iterator[None]:
    """Its process lives, and is not read any more."""
    for at in range(0, DIES, STEP):
        run.read(at)
        yield


def failing(run: Run) -> Iterator[None]:
    for at in range(0, DIES, STEP):
        run.read(at)
        yield
    run.fails(DIES, 1, "exception", CAUSES["exception"])


def interrupted(run: Run) -> Iterator[None]:
    for at in range(0, DIES, STEP):
        run.read(at)
        yield
    run.fails(DIES, 130, "interrupted", "interrupted")


def attached(run: Run) -> Iterator[None]:
    """Recorded from outside, without folds: what watches it saw a signal."""
    for at in range(0, DIES, STEP):
        run.read(at)
        yield
    run.exits(DIES, 137)


def all_in_one(run: Run) -> Iterator[None]:
    """Labels name the folds; near its limit at the end of each, it finishes."""
    for at in range(0, DIES, STEP):
        if at == DIES // 2:
            run.fold, run.has_begun = 2, False
        run.read(at, cgroup_pids=970 if at % 300 > 200 else 300)
        yield
    run.exits(DIES, 0)


EXPECTED: Mapping[str, list[str]] = {
    "healthy": [],
    "leaking-pids": [
        "CeilingWithinHour",
        "CeilingNear",
        "CeilingCritical",
        "PidsLimitHit",
        "FoldFailed 1",
        "RunFailed",
    ],
    "leaking-maps": [
        "CeilingWithinHour",
        "CeilingNear",
        "CeilingCritical",
        "FoldFailed 1",
        "RunFailed",
    ],
    "out-of-memory": ["OomKill", "FoldFailed 1", "RunFailed"],
    "hanging": ["SamplesStale 1"],
    "failing": ["FoldFailed 1", "RunFailed"],
    "interrupted": [],
    "attached": ["FoldFailed 1", "RunFailed"],
    "all-in-one": ["CeilingCritical", "CeilingCritical resolved"],
    "rebooted": ["FoldFailed 1", "RunFailed"],
}


def told_in_short(alert: Alert) -> str:
    fold = f" {alert.labels['fold']}" if alert.labels["fold"] else ""
    return f"{alert.name.removeprefix('Foldwatch')}{fold}{' resolved' if alert.ended else ''}"


@pytest.mark.slow
def test_each_run_is_told_of_as_it_fares_and_no_death_resolves_anything(
    tmp_path: Path, gone: tuple[int, int | None]
) -> None:
    """Half an hour; then the daemon is started anew, and tells of what failed, and of no limit."""
    dead: dict[str, Any] = {"pid": gone[0], "ticks": gone[1]}
    alive: dict[str, Any] = {"pid": os.getpid(), "ticks": OWN.start_ticks}
    scripts: list[tuple[Run, Callable[[Run], Iterator[None]]]] = [
        (Run(tmp_path, "healthy", **alive), healthy),
        (Run(tmp_path, "leaking-pids", **dead).isolated(), leaking_pids),
        (Run(tmp_path, "leaking-maps", **dead), leaking_maps),
        (Run(tmp_path, "out-of-memory", **dead).isolated(), out_of_memory),
        (Run(tmp_path, "hanging", **alive), hanging),
        (Run(tmp_path, "failing", **dead).isolated(), failing),
        (Run(tmp_path, "interrupted", **dead).isolated(), interrupted),
        (Run(tmp_path, "attached", **dead), attached),
        (Run(tmp_path, "all-in-one", **dead), all_in_one),
        (Run(tmp_path, "rebooted", pid=7, ticks=1, boot_id="another"), hanging),
    ]
    running = {run.name: script(run) for run, script in scripts}
    told: list[Alert] = []
    now = BEGAN

    def started() -> Daemon:
        engine = AlertEngine(told.append)
        return Daemon(
            str(tmp_path),
            judge=lambda _: (),
            clock=lambda: now,
            looker=AtOnce(),
            on_publish=lambda snapshots: engine.observe(snapshots, now),
        )

    daemon = started()
    for _ in range(0, 1800, STEP):
        running = {name: script for name, script in running.items() if next(script, 0) is None}
        daemon.collect()
        now += STEP
    found = {
        name: [told_in_short(one) for one in told if one.labels["run"] == name and not one.is_held]
        for name in EXPECTED
    }
    assert found == EXPECTED
    assert {one.labels["run"] for one in told if one.ended is not None} == {"all-in-one"}
    held = {
        one.labels["run"] for one in told if one.is_held and "the run died of it" in one.summary
    }
    assert held == {"leaking-pids", "leaking-maps", "out-of-memory"}
    told.clear()
    daemon = started()
    for _ in range(10):
        daemon.collect()
        now += STEP
    assert {told_in_short(one) for one in told} == {"FoldFailed 1", "RunFailed"}
