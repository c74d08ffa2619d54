"""The long random tests, each in a process of its own, with the seed that repeats it: ``make soak``.

    python -m benchmarks.soak           # a new seed
    python -m benchmarks.soak 12345     # that one again

About an hour. The exit code is 1 if any part fails. The fuzzer runs if atheris is installed.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeAlias

FUZZ_SECONDS = 1200
LARGEST_SEED = 2**31 - 1
DEVIATIONS = 4
"""The allowance of a measured error rate over its bound, in standard deviations of chance."""
Result: TypeAlias = Mapping[str, Any]


def _lost_nothing(result: Result) -> bool:
    return not any(
        result.get(name)
        for name in (
            *("lost", "unreadable", "orphans", "repeated", "other_aggregates", "failed", "hangs"),
            *("wrong_results", "late", "untrue"),
        )
    )


def _is_seldom_wrong(result: Result) -> bool:
    bound, seeds = result["may_be"], result["seeds"]
    allowance = DEVIATIONS * math.sqrt(bound * (1 - bound) / seeds)
    wrong: float = max(result["wrong"], result.get("wrong_near_limit", 0))
    return wrong <= float(bound) + allowance


@dataclass(frozen=True, slots=True)
class Part:
    """One module of `benchmarks`, its arguments, and the check of each JSON object that it prints."""

    module: str
    arguments: Callable[[int], Sequence[str]]
    holds: Callable[[Result], bool] = _lost_nothing


PARTS = (
    Part("kills", lambda seed: [str(seed)]),
    Part("kills_of_runs", lambda seed: [str(seed)]),
    Part("signals_of_runs", lambda seed: ["500", str(seed)]),
    Part("faults_of_runs", lambda _: []),
    Part("hostile_runs", lambda seed: ["500", str(seed)]),
    Part("leases_of_agents", lambda seed: ["50", str(seed)]),
    Part("deaths_with_agents", lambda _: ["20"]),
    Part("daemon_under_load", lambda _: []),
    Part("simulated_day", lambda seed: [str(seed)]),
    Part("a_million_logs", lambda seed: ["1000000", str(seed)]),
    Part("growth_rates", lambda seed: [str(seed)], _is_seldom_wrong),
    Part(
        "fuzz_log",
        lambda seed: [f"-seed={seed}", f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=1024"],
    ),
)


def main(seed: int) -> int:
    """Run every part with ``seed``; return the exit code."""
    print(f"soak: seed {seed}; again: python -m benchmarks.soak {seed}", flush=True)
    failed = [part.module for part in PARTS if not run(part, seed)]
    print(f"soak: seed {seed}: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return 1 if failed else 0


def run(part: Part, seed: int) -> bool:
    """Run one part and print its results; return whether it passed."""
    if part.module == "fuzz_log" and find_spec("atheris") is None:
        print("fuzz_log: skipped, atheris is not installed", flush=True)
        return True
    command = [sys.executable, "-m", f"benchmarks.{part.module}", *part.arguments(seed)]
    print(f"{part.module}: seed {seed}: {' '.join(command[1:])}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(command, stdout=output, check=False).returncode
        output.seek(0)
        results = [json.loads(line) for line in output if line.startswith(b"{")]
    wrong = [result for result in results if not part.holds(result)]
    for result in wrong:
        print(f"{part.module}: wrong: {json.dumps(result)}")
    has_passed = code == 0 and not wrong and bool(results or part.module == "fuzz_log")
    seconds = time.monotonic() - began
    outcome = "passed" if has_passed else f"FAILED, exit code {code}"
    print(f"{part.module}: seed {seed}: {outcome} in {seconds:.0f} s", flush=True)
    return has_passed


if __name__ == "__main__":
    given = sys.argv[1:2] or [str(random.SystemRandom().randint(1, LARGEST_SEED))]
    sys.exit(main(int(given[0])))
