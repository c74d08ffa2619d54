"""How soon 20 real hangs of different kinds are told of, whether the stacks are right, and 24 slow stages that are healthy.

Each is the stage of the third fold of a run by ``foldwatch run``; in the two before it took USUAL_SECONDS. All are in the
process itself or in what it has started; benchmarks.healthy_stages has 200 more healthy ones, simulated.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.stalled_stages import HANGS, HEALTHY, USUAL_SECONDS
from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from trainer.process.stall_watch import STACKS

AT_ONCE = 10
HEALTHY_STAGES = 24
LONGEST_SECONDS = 200.0
"""Of a fold, after which it is ended in any case."""
_ALERT = re.compile(r"foldwatch alert: critical: (it has stalled .*)")


def tried(name: str) -> dict[str, object]:
    """Run one kind until it is told of, or ends, and return what came of it."""
    with tempfile.TemporaryDirectory() as place:
        output = os.path.join(place, "run")
        command = [sys.executable, "-m", "benchmarks.stalled_stages", name]
        runner = [sys.executable, "-m", "foldwatch", "run", "--quiet", "--folds", "3"]
        runner += ["--timeout", str(LONGEST_SECONDS)]
        with subprocess.Popen(
            [*runner, "--output", output, "--", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            words, told_at = "", 0.0
            for line in process.stderr:
                if found := _ALERT.search(line):
                    words, told_at = found[1], time.time()
                    break
            if words:
                process.send_signal(signal.SIGINT)
            process.stderr.read()
        fold = os.path.join(output, "fold-3")
        began = [
            record.time
            for record in JournalFollower(os.path.join(fold, "journal.jsonl")).finish()
            if isinstance(record, Reading) and record.label == "START"
        ]
        stacks = ""
        if os.path.exists(os.path.join(fold, STACKS)):
            with open(os.path.join(fold, STACKS), encoding="utf-8") as file:
                stacks = file.read()
    times = (told_at - began[0]) / USUAL_SECONDS if words and began else None
    return {"kind": name, "times_usual": times, "alert": words, "stacks": stacks}


def judged(one: dict[str, object]) -> dict[str, object]:
    """Say of a hang whether its stacks are right, and named in the alert."""
    expected = {work.__name__: parts for work, parts in HANGS.items()}[str(one["kind"])]
    missing = [part for part in expected if part not in str(one["stacks"])]
    if f"{one['kind']} (" not in str(one["alert"]):
        missing.append("the function's name in the alert")
    return {**one, "stacks": len(str(one["stacks"])), "missing": missing}


def main(*names: str) -> None:
    """Print one JSON object for each hang and one for all; with names only those."""
    hangs = [work.__name__ for work in HANGS if not names or work.__name__ in names]
    healthy = [HEALTHY[n % len(HEALTHY)].__name__ for n in range(0 if names else HEALTHY_STAGES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [judged(one) for one in pool.map(tried, hangs)]
        alarms = [one for one in pool.map(tried, healthy) if one["alert"]]
    for one in found:
        print(json.dumps(one), flush=True)
    told = [float(str(one["times_usual"])) for one in found if one["times_usual"] is not None]
    print(
        json.dumps(
            {
                "hangs": len(found),
                "told": len(told),
                "within_three_times": sum(times <= 3 for times in told),
                "times_usual_median": statistics.median(told) if told else None,
                "times_usual_most": max(told, default=None),
                "stacks_right": sum(not one["missing"] for one in found),
                "healthy": len(healthy),
                "false_alarms": [one["kind"] for one in alarms],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
