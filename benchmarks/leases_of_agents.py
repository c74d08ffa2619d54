"""Two agents of one fold: the first is stopped, loses its lease to the second, and is continued at a random moment.

python -m benchmarks.leases_of_agents 50 5     # so many pairs, with that seed
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields

from tests.support.waiting import has_ended, wait_until
from trainer.agent.exit_code import ExitCode
from trainer.agent.order import Order
from trainer.run.directory import RunDirectory

PAIRS = 50
AT_ONCE = 4
LEASE_SECONDS = 1.5
MOST_SECONDS = 5.0
"""For the first agent to end once it goes on."""
START_SECONDS = 60
FOLD = (
    "import json, os, sys, time\n"
    "place = sys.argv[1]\n"
    "open(f'{place}/pids', 'a').write(f'{os.getpid()}\\n')\n"
    "while not os.path.exists(f'{place}/stopped'): time.sleep(0.01)\n"
    "time.sleep(float(sys.argv[2]))\n"
    "json.dump({'pid': os.getpid()}, open(os.environ['FOLDWATCH_METRICS'], 'w'))\n"
)


@dataclass(slots=True)
class Pairs:
    """What became of the pairs, counted."""

    pairs: int = 0
    wrong_results: int = 0
    """Pairs that did not end with the second agent's result, whole and unchanged."""
    late: int = 0
    """First agents that went on for longer than MOST_SECONDS, or did not say that they lost the lease."""
    orphans: int = 0
    """Processes of folds alive after both agents."""


def started(path: str) -> subprocess.Popen[bytes]:
    """Start an agent with the order at ``path``."""
    return subprocess.Popen([sys.executable, "-m", "trainer.agent", path])


def workers(place: str, count: int) -> list[int]:
    """Wait for so many processes of folds; return them."""

    def marked() -> list[int]:
        if not os.path.exists(f"{place}/pids"):
            return []
        with open(f"{place}/pids", encoding="ascii") as file:
            lines = file.read().split("\n")[:-1]
        return [int(line) for line in lines] if len(lines) >= count else []

    return wait_until(marked, START_SECONDS, f"{count} processes of folds")


def pair(chance: random.Random) -> Pairs:
    """Let two agents run one fold, the first of them stopped for longer than its lease."""
    found = Pairs(pairs=1)
    with tempfile.TemporaryDirectory() as place:
        seconds = chance.uniform(0.0, 2 * LEASE_SECONDS)
        order = Order(
            run_dir=f"{place}/run",
            folds=1,
            fold=1,
            command=(sys.executable, "-c", FOLD, place, str(seconds)),
            config_digest="c",
            lease_seconds=LEASE_SECONDS,
        )
        RunDirectory(order.run_dir).create()
        with open(f"{place}/order.json", "w", encoding="ascii") as file:
            file.write(order.encode())
        first = started(f"{place}/order.json")
        workers(place, 1)
        first.send_signal(signal.SIGSTOP)  # before its fold may end: else it has no lease to lose
        with open(f"{place}/stopped", "w", encoding="ascii"):
            pass
        second = started(f"{place}/order.json")
        pids = workers(place, 2)
        time.sleep(chance.uniform(0.0, seconds + 0.5))
        first.send_signal(signal.SIGCONT)
        began = time.monotonic()
        code = first.wait()
        found.late = (code, time.monotonic() - began < MOST_SECONDS) != (ExitCode.LEASE_LOST, True)
        is_finished = second.wait() == ExitCode.FINISHED
        result = RunDirectory(order.run_dir).result(1)
        is_second = result is not None and result.metrics == {"pid": pids[1]}
        found.wrong_results = not (is_finished and is_second)
        found.orphans = sum(not has_ended(pid) for pid in pids)
    return found


def tried(pairs: int, seed: int) -> Pairs:
    """Try so many pairs; the same ``seed`` chooses the same moments."""
    total = Pairs()
    chances = [random.Random(f"{seed} {number}") for number in range(pairs)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(pair, chances):
            for field in fields(total):
                setattr(total, field.name, getattr(total, field.name) + getattr(one, field.name))
    return total


def main(pairs: int = PAIRS, seed: int = 5) -> None:
    """Print one JSON object."""
    print(json.dumps(asdict(tried(pairs, seed))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
