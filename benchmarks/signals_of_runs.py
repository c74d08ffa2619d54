"""500 runs under random signals to any of their processes: hangs, orphans, repeated folds, lost results.

One to three signals come at random moments to the runner, an agent, a supervisor or a worker: TERM, INT, KILL, or STOP that
nobody follows with CONT. Each run is then resumed until it is complete. Four runs go on at a time. The directory
of one in which anything was wrong is kept, and named on standard error.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Self

from benchmarks.kills_of_runs import begun, orphans, results, start, summary
from telemetry.kernel.process_tree import children_of

if TYPE_CHECKING:
    import subprocess

RUNS = 500
AT_ONCE = 4
MOST_SIGNALS = 3
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSTOP)
TIMEOUT = ("--timeout", "5")
"""Of a fold: nothing else ends a worker that was stopped."""
HANG_SECONDS = 90
"""For a run to end: six folds that are all ended by their timeout take half of it."""


@dataclass(slots=True)
class Signalled:
    """What became of the runs, counted."""

    runs: int = 0
    signals: int = 0
    hangs: int = 0
    """Runs that did not end, though their runner was not stopped itself."""
    orphans: int = 0
    """Processes of folds alive two seconds after the run's end."""
    repeated: int = 0
    """Folds whose whole result was made again."""
    lost: int = 0
    """Whole results that were gone or changed in the end."""
    other_aggregates: int = 0
    """Runs whose summary in the end is not that of an undisturbed run."""

    @property
    def is_faulty(self) -> bool:
        """Whether anything was wrong."""
        return bool(
            self.hangs or self.orphans or self.repeated or self.lost or self.other_aggregates
        )

    def __iadd__(self, other: Self) -> Self:
        """Add the counts of other runs."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self


def processes_of(runner: int) -> list[list[int]]:
    """Return the runner, its agents, their supervisors, and the workers, as far as there are some now."""
    kinds, above = [[runner]], [runner]
    for _ in range(3):
        below = []
        for pid in above:
            with suppress(OSError):
                below += children_of(pid)
        kinds, above = [*kinds, below], below
    return [kind for kind in kinds if kind]


def ends(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of a run; return whether it came, or cannot, because its runner was stopped."""
    deadline = time.monotonic() + HANG_SECONDS
    while process.poll() is None and not is_stopped(process.pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def disturbed(chance: random.Random, undisturbed: object) -> Signalled:
    """Run once under random signals, and resume it until it is complete."""
    tally = Signalled(runs=1)
    with tempfile.TemporaryDirectory() as place:
        process = start(place, *TIMEOUT)
        for _ in range(chance.randint(1, MOST_SIGNALS)):
            time.sleep(chance.uniform(0.0, 1.2))
            if process.poll() is None:
                victim = chance.choice(chance.choice(processes_of(process.pid)))
                number = chance.choice(SIGNALS)
                with suppress(ProcessLookupError):
                    os.kill(victim, number)
                    tally.signals += 1
                if (victim, number) == (process.pid, signal.SIGKILL):
                    process.wait()  # what is stopped after its runner's death, nobody is there to wake
        tally.hangs += not ends(process)
        process.kill()
        process.wait()
        tally.orphans += orphans(place)
        finished = results(place)
        times = Counter({fold: begun(place)[fold] for fold in finished})
        again = start(place)
        tally.hangs += not ends(again)
        again.kill()
        again.wait()
        tally.orphans += orphans(place)
        tally.repeated += sum(begun(place)[fold] > times[fold] for fold in finished)
        tally.lost += sum(results(place).get(fold) != text for fold, text in finished.items())
        tally.other_aggregates += summary(place) != undisturbed
        if tally.is_faulty:
            kept = tempfile.mkdtemp(prefix="signals_of_runs-")
            shutil.copytree(place, kept, symlinks=True, dirs_exist_ok=True)
            print(f"{kept}: {asdict(tally)}", file=sys.stderr, flush=True)
    return tally


def undisturbed_summary() -> object:
    """Return the summary of a run that nobody disturbs."""
    with tempfile.TemporaryDirectory() as place:
        start(place).wait()
        return summary(place)


def signalled(runs: int, seed: int) -> Signalled:
    """Disturb so many runs; the same ``seed`` sends the same signals."""
    undisturbed, tally = undisturbed_summary(), Signalled()
    chances = [random.Random(f"{seed} {number}") for number in range(runs)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(lambda chance: disturbed(chance, undisturbed), chances):
            tally += one
    return tally


def main(runs: int = RUNS, seed: int = 5) -> None:
    """Print one JSON object."""
    print(json.dumps(asdict(signalled(runs, seed))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
