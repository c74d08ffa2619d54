"""A real process that leaks threads until its real pids cgroup is full, watched both ways at once.

Used by a test and by tests/benchmarks/lead_times.py. Time is scaled: see tests/alert_stack.py. The
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

from telemetry.alerts import AlertEngine
from telemetry.exporter import serve
from telemetry.reader import Reader
from telemetry.snapshot import FoldSnapshot, Snapshot
from tests.alert_stack import receiver, stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.alert import Alert

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


@dataclass
class Lead:
    """Seconds, unscaled, from each way's first warning to the first hit; None for no warning before."""

    engine: float | None
    prometheus: float | None
    first_alerts: tuple[str | None, str | None]
    hit_alerts: tuple[float | None, float | None]
    """How long after the hit each way said that the limit was hit."""


def measure(folder: Path, cgroup: str, *, fill_seconds: float, scale: float) -> Lead:
    """Let a process fill ``cgroup`` in ``fill_seconds`` of scaled time, and say when each way warned."""
    began = time.time()

    def now() -> float:
        return began + (time.time() - began) * scale

    with receiver() as hook, _leaking(cgroup, fill_seconds / scale) as pid:
        told: list[tuple[float, Alert]] = []
        engine = AlertEngine(lambda alert: told.append((time.time(), alert)))
        part = FoldSnapshot(fold=1, state="running")
        reader = Reader(pid=pid, clock=now)
        latest = [Snapshot(run="leak", host="here", folds=3, parts=(part,))]
        port = serve(lambda: latest[0], port=0)
        with stack(folder, targets=f"127.0.0.1:{port}", webhook=hook.url, scale=scale):
            hit_at, ends = None, float("inf")
            while time.time() < ends:
                if hit_at is None and _hits(cgroup):
                    hit_at = time.time()
                    ends = hit_at + 90 / scale
                part = part.with_record(reader.read(in_full=False))
                latest[0] = Snapshot(run="leak", host="here", folds=3, parts=(part,))
                engine.observe(latest, now())
                time.sleep(min(0.05, 1 / scale))
        reader.close()
    assert hit_at is not None
    own = [(at, alert) for at, alert in told if alert.ended is None]
    return Lead(
        engine=_lead(min((at for at, _ in own), default=None), hit_at, scale),
        prometheus=_lead(hook.first(), hit_at, scale),
        first_alerts=(
            own[0][1].name if own else None,
            next((alert["labels"]["alertname"] for _, alert in hook.alerts()), None),
        ),
        hit_alerts=(
            _after(
                next((t for t, a in own if a.name == "FoldwatchPidsLimitHit"), None), hit_at, scale
            ),
            _after(hook.first("FoldwatchPidsLimitHit"), hit_at, scale),
        ),
    )


def _lead(warned: float | None, hit: float, scale: float) -> float | None:
    return None if warned is None or warned >= hit else (hit - warned) * scale


def _after(told: float | None, hit: float, scale: float) -> float | None:
    return None if told is None else (told - hit) * scale


def _hits(cgroup: str) -> int:
    with open(os.path.join(cgroup, "pids.events"), encoding="ascii") as file:
        return int(file.read().split()[1])


@contextmanager
def _leaking(cgroup: str, seconds: float) -> Iterator[int]:
    """Run the leak, and end it."""
    command = [sys.executable, "-c", LEAK, cgroup, str(AT_START), str(LIMIT), str(seconds)]
    with subprocess.Popen(command) as process:
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()
