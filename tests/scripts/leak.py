"""A real process that leaks threads until its real pids cgroup is full, watched both ways at once.

Used by a test and by benchmarks/lead_times.py. Time is scaled: see tests/support/alert_stack.py. The
engine is shown scaled time as well: one reading for each second of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.alerts.engine import AlertEngine
from telemetry.alerts.sinks import webhook_content
from telemetry.kernel.reader import Reader
from telemetry.metrics.server import serve
from telemetry.snapshot import FoldSnapshot, FoldState, Snapshot
from tests.support.alert_stack import receiver, stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.alerts.alert import Alert

LIMIT = 400
AT_START = 40
LEAK = """
import sys, threading, time
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
start, limit, seconds = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
threading.stack_size(64 * 1024)
forever = threading.Event()
def leak():
    threading.Thread(target=forever.wait, daemon=True).start()
for _ in range(start - 1):
    leak()
began, count = time.monotonic(), start
while True:
    due = start + (limit - start) * (time.monotonic() - began) / seconds
    try:
        while count < due:
            leak()
            count += 1
    except RuntimeError:
        pass
    time.sleep(0.005)
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What one way of alerting said; seconds are unscaled."""

    lead_seconds: float | None
    """From its first alert to the first hit; None where nothing was said before."""
    first: str | None
    hit_said_after_seconds: float | None
    near_labels: dict[str, str]
    """Of its alert that a ceiling is near."""


@dataclass(frozen=True, slots=True)
class Warnings:
    """Both ways."""

    engine: Told
    prometheus: Told


def measure(folder: Path, cgroup: str, *, fill_seconds: float, scale: float) -> Warnings:
    """Let a process fill ``cgroup`` in ``fill_seconds`` of scaled time, and say when each way warned."""
    began = time.time()

    def now() -> float:
        return began + (time.time() - began) * scale

    told: list[tuple[float, Alert]] = []
    engine = AlertEngine(lambda alert: told.append((time.time(), alert)))
    part = FoldSnapshot(fold=1, state=FoldState.RUNNING)
    latest = [Snapshot(run="leak", host="here", fold_count=3, folds=(part,))]
    targets = f"127.0.0.1:{serve(lambda: latest[0], port=0)}"
    with receiver() as hook, stack(folder, targets=targets, webhook=hook.url, scale=scale):
        hit_at, ends = None, float("inf")
        with leaking(cgroup, fill_seconds / scale) as pid:
            reader = Reader(pid=pid, clock=now)
            while time.time() < ends:
                if hit_at is None and _hits(cgroup):
                    hit_at = time.time()
                    ends = hit_at + 90 / scale
                part = part.with_record(reader.read(in_full=False))
                latest[0] = Snapshot(run="leak", host="here", fold_count=3, folds=(part,))
                engine.observe(latest, now())
                time.sleep(min(0.05, 1 / scale))
            reader.close()
    assert hit_at is not None
    own = [(at, webhook_content(a)["alerts"][0]["labels"]) for at, a in told if a.ended is None]
    theirs = [(at, alert["labels"]) for at, alert in hook.alerts()]
    return Warnings(_told(own, hit_at, scale), _told(theirs, hit_at, scale))


def _told(alerts: list[tuple[float, dict[str, str]]], hit_at: float, scale: float) -> Told:
    first = {labels["alertname"]: (at, labels) for at, labels in reversed(alerts)}
    before = [(at, labels["alertname"]) for at, labels in alerts if at < hit_at]
    at_hit = first.get("FoldwatchPidsLimitHit")
    return Told(
        lead_seconds=(hit_at - before[0][0]) * scale if before else None,
        first=before[0][1] if before else None,
        hit_said_after_seconds=(at_hit[0] - hit_at) * scale if at_hit else None,
        near_labels=first.get("FoldwatchCeilingNear", (0.0, {}))[1],
    )


def _hits(cgroup: str) -> int:
    with open(os.path.join(cgroup, "pids.events"), encoding="ascii") as file:
        return int(file.read().split()[1])


@contextmanager
def leaking(cgroup: str, seconds: float) -> Iterator[int]:
    """Run the leak, and end it."""
    command = [sys.executable, "-c", LEAK, cgroup, str(AT_START), str(LIMIT), str(seconds)]
    with subprocess.Popen(command) as process:
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()
