"""What `foldwatch attach` costs a real TensorFlow training: its CPU time, and epochs with and without it.

It is attached in mid-flight, and stopped (SIGSTOP) for every other epoch: pairs of epochs alternate, the order within a
pair turning each time. Both are kept to one core, so that what it takes is taken from the training. Its CPU time has
the time in it for which it holds a lock of the training's: that is held by its own reads alone.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PAIRS = 40
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRAINING = """
import os, sys
from benchmarks.training_overhead import make_epoch
epoch = make_epoch()
print("ready", flush=True)
for line in sys.stdin:
    print(epoch(), flush=True)
"""
STARTED_SECONDS = 30.0
"""For it to load and to attach, which is not what is timed."""
SHARE_SECONDS = 180.0
"""Over which its CPU time is counted, without a stop."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, by proc_pid_stat(5)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        parts = file.read().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def interval(values: list[float]) -> tuple[float, float]:
    """Return the interval of 95 % of the median, by order statistics."""
    ranked, half = sorted(values), 0.98 * len(values) ** 0.5
    middle = len(values) / 2
    return ranked[max(0, int(middle - half))], ranked[min(len(values) - 1, int(middle + half))]


def main(pairs: int = PAIRS) -> None:
    """Print one JSON object."""
    core = {max(os.sched_getaffinity(0))}
    environment = os.environ | {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(
            [sys.executable, "-c", TRAINING],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as training,
    ):
        assert training.stdin is not None
        assert training.stdout is not None
        os.sched_setaffinity(training.pid, core)
        training.stdout.readline()

        def epoch() -> float:
            assert training.stdin is not None
            assert training.stdout is not None
            print("epoch", file=training.stdin, flush=True)
            return float(training.stdout.readline())

        def train_for(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                epoch()

        command = [sys.executable, "-m", "foldwatch", "attach", str(training.pid)]
        attached = subprocess.Popen(
            [*command, "--output", os.path.join(place, "run")],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        train_for(STARTED_SECONDS)
        before, began = cpu_seconds(attached.pid), time.monotonic()
        train_for(SHARE_SECONDS)
        share = (cpu_seconds(attached.pid) - before) / (time.monotonic() - began)
        os.sched_setaffinity(attached.pid, core)
        differences = []
        for pair in range(pairs):
            taken = {}
            for with_it in (True, False) if pair % 2 else (False, True):
                os.kill(attached.pid, signal.SIGCONT if with_it else signal.SIGSTOP)
                taken[with_it] = epoch()
            differences.append((taken[True] - taken[False]) / taken[False])
        attached.send_signal(signal.SIGCONT)
        attached.terminate()
        attached.wait()
        with open(os.path.join(place, "run", "journal.jsonl"), encoding="utf-8") as file:
            readings = sum('"kind":"sample"' in line for line in file)
        training.kill()
    low, high = interval(differences)
    result = {
        "pairs": pairs,
        "cpu_share": share,
        "readings": readings,
        "epoch_difference": statistics.median(differences),
        "interval": [low, high],
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
