"""A real OOM in a fold's memory cgroup, with the fold's agent and supervisor killed at the same moment: is what is told true?

python -m benchmarks.deaths_with_agents 20     # so many times, as root
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field

from tests.support.processes import parent_of
from tests.support.waiting import has_ended, wait_until

TIMES = 20
SECONDS = 60
FOLD = (
    "import os, sys, time\n"
    "place = sys.argv[1]\n"
    "open(f'{place}/pid', 'w').write(f'{os.getpid()}\\n')\n"
    "while not os.path.exists(f'{place}/go'): time.sleep(0.01)\n"
    "held = b'x' * 400_000_000\n"
)


@dataclass(slots=True)
class Deaths:
    """What was told of them, counted."""

    deaths: int = 0
    untrue: int = 0
    """Failures that do not name the cgroup's memory for certain."""
    orphans: int = 0
    told: list[str] = field(default_factory=list)
    """The root causes that were untrue."""


def die(deaths: Deaths) -> None:
    """Run one fold that dies so, and look at what is told."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "foldwatch", "run", "--memory", "100M"]
        command += ["--output", f"{place}/run", "--", sys.executable, "-c", FOLD, place]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def worker() -> int:
            if not os.path.exists(f"{place}/pid"):
                return 0
            with open(f"{place}/pid", encoding="ascii") as file:
                line = file.read()
            return int(line) if line.endswith("\n") else 0

        pid = wait_until(worker, SECONDS, "the fold")

        def is_read() -> bool:
            with open(f"{place}/run/fold-1/journal.jsonl", "rb") as file:
                return b'"sample"' in file.read()

        wait_until(is_read, SECONDS, "its first reading")
        supervisor = parent_of(pid)
        others = (parent_of(supervisor), supervisor)
        for other in others:
            os.kill(other, signal.SIGSTOP)
        with open(f"{place}/go", "w", encoding="ascii"):
            pass
        wait_until(lambda: has_ended(pid), SECONDS, "the kernel's kill")
        for other in others:
            os.kill(other, signal.SIGKILL)
        run.wait(SECONDS)
        with open(f"{place}/run/fold-1/failure.json", encoding="utf-8") as file:
            failure = json.load(file)
        first = failure["causes"][0] if failure["causes"] else {}
        deaths.deaths += 1
        if (first.get("cause"), first.get("standing")) != ("cgroup_memory", "certain"):
            deaths.untrue += 1
            deaths.told.append(failure["root_cause"])
        deaths.orphans += sum(not has_ended(other) for other in (pid, *others))


def main(times: int = TIMES) -> None:
    """Print one JSON object."""
    deaths = Deaths()
    for _ in range(times):
        die(deaths)
    print(json.dumps(asdict(deaths)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
