"""What the black box costs a process with 60,000 memory maps: CPU time, time of its locks, and what it gets done.

The process maps and unmaps a page all the time, in a thread beside the one that holds the maps, so it wants the lock of its
maps as often as any can. The box looks at it from a process of its own, as an agent does, and is stopped (SIGSTOP) for every
other stretch: pairs of stretches alternate, the order within a pair turning each time. The time of a lock is that of the
counts of its maps, each as long as one takes here by the clock, as if the lock were held all the while.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time

from benchmarks.attach_cost import ROOT, cpu_seconds, interval
from telemetry.kernel.quick_look import QuickLook
from telemetry.kernel.syscalls import Buffer
from trainer.process.black_box import SECONDS as KEPT_SECONDS

MAPS = 60_000
PAIRS = 40
STRETCH_SECONDS = 0.5
SHARE_SECONDS = 120.0
"""Over which its CPU time and its readings are counted, without a stop."""
SETTLE_SECONDS = 60.0
"""For what it may save up for a burst to be used up, and its first looks to be over."""
COUNTS = 5
TRAINING = f"""
import json, mmap, sys, threading, time
protections = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
held = [mmap.mmap(-1, 4096, prot=protections[n % 2]) for n in range({MAPS})]
print("ready", flush=True)

def work(seconds):
    until, done, longest = time.perf_counter() + seconds, 0, 0.0
    while (began := time.perf_counter()) < until:
        mmap.mmap(-1, 4096).close()
        longest, done = max(longest, time.perf_counter() - began), done + 1
    print(json.dumps([done, longest]), flush=True)

for line in sys.stdin:
    thread = threading.Thread(target=work, args=(float(line),))
    thread.start()
    thread.join()
"""
BOX = """
import json, sys, threading
from trainer.process.black_box import BlackBox
box = BlackBox(int(sys.argv[1]))
box.start()
for _ in sys.stdin:
    times = [(one.time, one.maps) for one in box.seen()]
    print(json.dumps(times), flush=True)
"""


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that is talked to by lines."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def begin(process: subprocess.Popen[str], seconds: float) -> None:
    """Let the training map and unmap for so long."""
    assert process.stdin is not None
    print(seconds, file=process.stdin, flush=True)


def looks_of(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep: the box does after each look."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
            (line,) = (line for line in file if line.startswith("voluntary_ctxt_switches"))
        total += int(line.split()[1])
    return total


def answer(process: subprocess.Popen[str], line: str) -> str:
    """Say a line; return what it says then."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(line, file=process.stdin, flush=True)
    return process.stdout.readline()


def count_seconds(pid: int) -> tuple[float, int]:
    """Return how long a count of its maps takes by the clock, the median, and how many there are."""
    look = QuickLook(pid, patient=Buffer(1 << 16, gives_way=True))
    taken, count = [], 0
    for _ in range(COUNTS):
        began = time.perf_counter()
        count = look.count_maps() or 0
        taken.append(time.perf_counter() - began)
    look.close()
    return statistics.median(taken), count


def main(
    pairs: int = PAIRS, seconds: float = SHARE_SECONDS, settle: float = SETTLE_SECONDS
) -> None:
    """Print one JSON object."""
    with started(TRAINING) as training:
        assert training.stdout is not None
        training.stdout.readline()
        one_count, maps = count_seconds(training.pid)
        with started(BOX, str(training.pid)) as box:
            begin(training, settle + seconds)
            time.sleep(settle)
            looks, cpu, began = looks_of(box.pid), cpu_seconds(box.pid), time.time()
            training.stdout.readline()
            passed = time.time() - began
            cpu, looks = cpu_seconds(box.pid) - cpu, looks_of(box.pid) - looks
            seen = [one for one in json.loads(answer(box, "seen")) if one[0] >= began]
            span = min(passed, KEPT_SECONDS)
            done, longest = compared(training, box.pid, pairs)
            box.kill()
        training.kill()
    differences = [(with_it - without) / without for with_it, without in done]
    low, high = interval(differences)
    counts = sum(one[1] is not None for one in seen)
    result = {
        "maps": maps,
        "cpu_share": cpu / passed,
        "looks_per_second": looks / passed,
        "one_count_seconds": one_count,
        "counts_per_minute": 60 * counts / span,
        "lock_share": counts * one_count / span,
        "pairs": pairs,
        "throughput_difference": statistics.median(differences),
        "interval": [low, high],
        "longest_wait_with_ms": 1000 * statistics.median(pair[0] for pair in longest),
        "longest_wait_without_ms": 1000 * statistics.median(pair[1] for pair in longest),
    }
    print(json.dumps(result), flush=True)


def compared(
    training: subprocess.Popen[str], box: int, pairs: int
) -> tuple[list[tuple[int, int]], list[tuple[float, float]]]:
    """Return what the training did with the box and without it, in pairs, and its longest waits."""
    done, longest = [], []
    for pair in range(pairs):
        found: dict[bool, tuple[int, float]] = {}
        for with_it in (True, False) if pair % 2 else (False, True):
            os.kill(box, signal.SIGCONT if with_it else signal.SIGSTOP)
            number, wait = json.loads(answer(training, str(STRETCH_SECONDS)))
            found[with_it] = number, wait
        done.append((found[True][0], found[False][0]))
        longest.append((found[True][1], found[False][1]))
    os.kill(box, signal.SIGCONT)
    return done, longest


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:4]))
