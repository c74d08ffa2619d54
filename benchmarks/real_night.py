"""A night on call in small: ten real runs below one daemon, and what it, Prometheus and Alertmanager told of each.

Healthy, leaking threads in a cgroup, leaking memory maps, out of memory in a cgroup, hanging, failing by an exception,
killed by a person, attached from outside and crashing, all folds in one process, and one of before the host's boot. Needs
root for the cgroups, and Debian's prometheus and prometheus-alertmanager.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.attach_cost import ROOT
from telemetry.kernel.process_identity import own_identity
from tests.support.alert_stack import Receiver, receiver, stack
from tests.support.ports import free_port

SCALE = 5.0
"""By which the waits and intervals of Prometheus and Alertmanager are shorter."""
SECONDS = 330.0
"""A hang is told after three minutes without a word."""
PLAIN = "import time\nfor epoch in range(4): print(f'epoch {epoch}', flush=True); time.sleep(2)"
THREADS = """
import threading, time
for _ in range(1000): threading.Thread(target=time.sleep, args=(1e5,), daemon=True).start(); time.sleep(.35)
"""
MEMORY = "import time\nkeep = []\nwhile True: keep.append(bytearray(2**20) * 1); keep[-1][::4096] = b'x' * 256; time.sleep(.4)"
RECORDED = """
import mmap, os, signal, sys, time, telemetry
telemetry.start(run_dir=sys.argv[1], lines=open(os.devnull, "w"))
kind, keep = sys.argv[2], []
for fold in range(1, 5):
    with telemetry.fold(fold, of=4):
        telemetry.checkpoint("START")
        if kind == "hang" and fold == 2: os.kill(os.getpid(), signal.SIGSTOP)
        for step in range(20 if kind == "maps" else 5):
            if kind == "maps":
                for n in range(1000): keep.append(mmap.mmap(-1, 4096, prot=1 + 2 * (n % 2)))
            time.sleep(1)
        telemetry.checkpoint("END")
"""
CRASHES = "import os, time\ntime.sleep(40); os.abort()"


class Told(NamedTuple):
    """What is to be told of a run, and what is not."""

    must: frozenset[str]
    may: frozenset[str] = frozenset()


FAILED = frozenset({"FoldFailed", "RunFailed"})
LIMIT = frozenset({"CeilingNear", "CeilingWithinHour", "CeilingWithinFolds"})
EXPECTED = {
    "healthy": Told(frozenset()),
    "threads": Told(FAILED | {"CeilingCritical", "PidsLimitHit"}, LIMIT),
    # Maps are counted at their pace: from 95 % to the end it has three seconds.
    "maps": Told(FAILED, LIMIT | {"CeilingCritical"}),
    "memory": Told(FAILED | {"OomKill"}, LIMIT | {"CeilingCritical"}),
    "hang": Told(frozenset({"SamplesStale"})),
    "exception": Told(FAILED),
    "killed": Told(FAILED),
    "attached": Told(frozenset({"RunFailed"})),
    "in-one": Told(frozenset()),
    "rebooted": Told(FAILED),
}


def run(place: Path, name: str, *command: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return what runs a command under foldwatch."""
    own = [sys.executable, "-m", "foldwatch", "run", "--output", str(place / name), *options, "--"]
    return [*own, *command]


def begin(place: Path) -> dict[str, subprocess.Popen[bytes]]:
    """Start all that runs; the one of before the boot is a record alone."""
    python = (sys.executable, "-c")
    recorded = [sys.executable, "-c", RECORDED]
    commands = {
        "healthy": run(place, "healthy", *python, PLAIN, options=("--folds", "3")),
        "threads": run(place, "threads", *python, THREADS, options=("--cgroup-pids", "200")),
        "maps": [*recorded, str(place / "maps"), "maps"],
        "memory": run(place, "memory", *python, MEMORY, options=("--memory", "200M")),
        "hang": [*recorded, str(place / "hang"), "hang"],
        "exception": run(place, "exception", *python, "raise ValueError('a bad label')"),
        "killed": run(place, "killed", "sleep", "100000"),
        "crashes": [sys.executable, "-c", CRASHES],
        "in-one": run(
            place, "in-one", sys.executable, "-c", RECORDED, str(place / "in-one"), "calm"
        ),
    }
    environment = os.environ | {"PYTHONPATH": ROOT, "FOLDWATCH_QUIET": "1"}
    started = {
        name: subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, command in commands.items()
    }
    attach = [sys.executable, "-m", "foldwatch", "attach", str(started["crashes"].pid)]
    started["attached"] = subprocess.Popen(
        [*attach, "--output", str(place / "attached")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return started


def of_before_the_boot(place: Path) -> None:
    """Write the record of a run that a boot has ended ten minutes ago."""
    at = time.time() - 600
    host, space = os.uname().nodename, own_identity().pid_namespace
    header = {"kind": "header", "schema": 1, "time": at, "pid": 812, "start_ticks": 5, "host": host}
    header |= {"boot_id": "00000000-0000-0000-0000-000000000000", "pid_namespace": space}
    header |= {"argv": ["train.py"], "versions": {}, "environment": {}, "ceilings": []}
    reading = {"kind": "checkpoint", "time": at, "pid": 812, "start_ticks": 5, "threads": 9}
    reading |= {"label": "Fold 1/3 START", "stage": "START", "fold": 1, "folds": 3, "limits": {}}
    (place / "rebooted").mkdir()
    lines = "".join(json.dumps(one) + "\n" for one in (header, reading))
    (place / "rebooted" / "journal.jsonl").write_text(lines)


def told(hook: Receiver, status: str) -> dict[str, list[str]]:
    """Return, by run, the names of the alerts in their order."""
    found: dict[str, list[str]] = {}
    for _, alert in hook.alerts(status):
        names = found.setdefault(alert["labels"].get("run", ""), [])
        name = alert["labels"]["alertname"].removeprefix("Foldwatch")
        if name not in names:
            names.append(name)
    return found


def wrong(firing: dict[str, list[str]], resolved: dict[str, list[str]]) -> list[str]:
    """Return what was told and should not have been, and the other way round."""
    found = []
    for name, expected in EXPECTED.items():
        names = set(firing.get(name, []))
        found += [f"{name}: no {one}" for one in sorted(expected.must - names)]
        found += [f"{name}: {one}" for one in sorted(names - expected.must - expected.may)]
        found += [f"{name}: {one} resolved" for one in resolved.get(name, [])]
    return found


def main(seconds: float = SECONDS) -> None:
    """Print one JSON object."""
    with contextlib.ExitStack() as running:
        place = Path(running.enter_context(tempfile.TemporaryDirectory()))
        runs, servers = place / "runs", place / "servers"
        runs.mkdir()
        servers.mkdir()
        of_before_the_boot(runs)
        own, other = (running.enter_context(receiver()) for _ in range(2))
        port = free_port()
        serve = subprocess.Popen(
            [
                *(sys.executable, "-m", "foldwatch", "serve", str(runs), "--port", str(port)),
                *("--alert-webhook", own.url),
            ],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        running.callback(serve.wait)
        running.callback(serve.terminate)
        running.enter_context(
            stack(servers, targets=f"127.0.0.1:{port}", webhook=other.url, scale=SCALE)
        )
        started = begin(runs)
        time.sleep(30)
        subprocess.run(["pkill", "-KILL", "-f", "^sleep 100000"], check=False)
        time.sleep(seconds - 30)
        result = {
            "foldwatch": {"firing": told(own, "firing"), "resolved": told(own, "resolved")},
            "alertmanager": {"firing": told(other, "firing"), "resolved": told(other, "resolved")},
        }
        faults = {name: wrong(**one) for name, one in result.items()}
        for process in started.values():
            process.kill()
        print(json.dumps(result | {"wrong": faults}, indent=1), flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
