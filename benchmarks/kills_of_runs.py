"""50 random SIGKILLs of workers and 50 of the runner: orphans, repeated folds, lost results.

A stand-in without TensorFlow leaves a daemon behind in every fold; runs have six folds. Each kill comes at a random
moment of a run, which is then resumed until it is complete.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass

from trainer.run.directory import RunDirectory

KILLS = 50
KILLS_PER_RUN = 5
FOLDS = 6
FOLD = """
import os, sys, time
place, fold = sys.argv[1:]
def note(name):
    with open(os.path.join(place, name), "a") as file:
        file.write(f"{fold} {os.getpid()}\\n")
note("begun")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note("daemons")
        time.sleep(60)
    os._exit(0)
time.sleep(0.3)
with open(os.environ["FOLDWATCH_METRICS"], "w") as file:
    file.write('{"score": %s}' % (int(fold) / 7))
"""


@dataclass(slots=True)
class Tally:
    """What went wrong, counted."""

    kills: int = 0
    orphans: int = 0
    """Processes alive two seconds after the kill."""
    repeated: int = 0
    """Folds whose whole result was made again."""
    lost: int = 0
    """Whole results that were gone or changed after the kill, or torn."""
    other_aggregates: int = 0
    """Runs whose summary in the end is not that of an undisturbed run."""


def command(place: str, *more: str) -> list[str]:
    """Return the command of one run, with ``more`` options."""
    options = ["--folds", str(FOLDS), "--resume-mode", "auto", "--retries", "9", *more]
    start = [sys.executable, "-m", "foldwatch", "run", *options]
    return [*start, "--output", f"{place}/run", "--", sys.executable, "-c", FOLD, place, "{fold}"]


def start(place: str, *more: str) -> subprocess.Popen[bytes]:
    """Start or resume the run at ``place``, with ``more`` options; what it prints is kept there."""
    with open(f"{place}/printed", "ab") as file:
        return subprocess.Popen(command(place, *more), stdout=file, stderr=file)


def results(place: str) -> dict[int, str]:
    """Return the text of every whole result."""
    directory = RunDirectory(f"{place}/run")
    found = {}
    for fold in range(1, FOLDS + 1):
        if directory.result(fold) is not None:
            with open(os.path.join(directory.fold(fold), "result.json"), encoding="utf-8") as file:
                found[fold] = file.read()
    return found


def traced(place: str) -> list[int]:
    """Return the processes that folds have traced."""
    pids = []
    for name in ("begun", "daemons"):
        path = os.path.join(place, name)
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                pids += [int(line.split()[1]) for line in file]
    return pids


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def orphans(place: str) -> int:
    """Count the traced processes that are alive two seconds from now."""
    deadline = time.monotonic() + 2
    while (
        alive := [pid for pid in traced(place) if is_alive(pid)]
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(alive)


def begun(place: str) -> Counter[int]:
    """Count how often each fold was begun."""
    path = os.path.join(place, "begun")
    if not os.path.exists(path):
        return Counter()
    with open(path, encoding="ascii") as file:
        return Counter(int(line.split()[0]) for line in file)


def find_victim(place: str, process: subprocess.Popen[bytes]) -> int | None:
    """Return a process of a fold that runs now; None where the run has ended meanwhile."""
    while process.poll() is None:
        alive = [pid for pid in traced(place) if is_alive(pid)]
        if alive:
            return alive[-1]
        time.sleep(0.005)
    return None


def disturb(place: str, *, is_runner: bool, chance: random.Random, tally: Tally) -> None:
    """Kill the runner, or a process of the fold that runs, at random moments of one run."""
    process, kills, finished = start(place), 0, dict[int, int]()
    while kills < KILLS_PER_RUN and len(results(place)) < FOLDS:
        time.sleep(chance.uniform(0.0, 0.7))
        victim = process.pid if is_runner else find_victim(place, process)
        before = results(place)
        if victim is None or process.poll() is not None:
            break
        finished |= {fold: begun(place)[fold] for fold in before if fold not in finished}
        os.kill(victim, signal.SIGKILL)
        kills += 1
        if is_runner:
            process.wait()
            tally.orphans += orphans(place)
            process = start(place)
        after = results(place)
        tally.lost += sum(after.get(fold) != text for fold, text in before.items())
    process.wait()
    if len(results(place)) < FOLDS:
        start(place).wait()
    tally.kills += kills
    tally.orphans += orphans(place)
    tally.repeated += sum(begun(place)[fold] > times for fold, times in finished.items())


def summary(place: str) -> object:
    """Return the aggregate."""
    with open(f"{place}/run/summary.json", encoding="utf-8") as file:
        return json.load(file)


def main(seed: int = 5) -> None:
    """Print one JSON object for each kind of victim."""
    with tempfile.TemporaryDirectory() as place:
        start(place).wait()
        undisturbed = summary(place)
    for is_runner in (False, True):
        chance, tally = random.Random(seed), Tally()
        while tally.kills < KILLS:
            with tempfile.TemporaryDirectory() as place:
                disturb(place, is_runner=is_runner, chance=chance, tally=tally)
                tally.other_aggregates += summary(place) != undisturbed
        print(json.dumps({"victim": "runner" if is_runner else "fold"} | asdict(tally)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
