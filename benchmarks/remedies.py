"""What each remedy is worth: the reference run in one process with one switched off at a time.

``python -m benchmarks.remedies`` prints an object per run, each in processes of its own, and one
for the threads after the imports with the caps and without. The figures are those of this machine:
without caps, libraries take a thread per core, so that few cores have little to save, and what they
take on 64 cores is measured by asking for as many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from analyzer import analyze
from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from trainer.run.config import MITIGATIONS
from trainer.run.thread_caps import THREAD_CAPS

FOLDS = 6
LAST = "AFTER CLEANUP"
RESOURCES = ("threads", "maps", "rss_bytes")
SWITCHED_OFF = (
    (),
    ("isolation",),
    ("isolation", "caps"),
    ("isolation", "bounds"),
    ("isolation", "cleanup"),
    MITIGATIONS,
)
MODES = ("capped", "uncapped", "uncapped_on_64")
IMPORTS = """
import os, sys
from trainer.run.thread_caps import THREAD_CAPS, cap_threads
if sys.argv[1] == "capped":
    cap_threads()
if sys.argv[1] == "uncapped_on_64":  # what each library takes by itself there
    os.environ |= dict.fromkeys(THREAD_CAPS, "64")
import numpy, sklearn.ensemble, tensorflow as tf
imported = len(os.listdir("/proc/self/task"))
numpy.ones((500, 500)) @ numpy.ones((500, 500))
tf.matmul(tf.ones((500, 500)), tf.ones((500, 500)))
print(imported, len(os.listdir("/proc/self/task")))
"""


def main() -> None:
    """Print one JSON object a run, and the threads after the imports."""
    for names in SWITCHED_OFF:
        print(json.dumps(measure(names)), flush=True)
    print(json.dumps(threads_after_imports()), flush=True)


def measure(names: tuple[str, ...]) -> dict[str, Any]:
    """Run the folds without these remedies; ``at_end`` holds each fold's last reading."""
    with tempfile.TemporaryDirectory() as place:
        command = ["train", "--folds", str(FOLDS), "--epochs", "1", "--output", place]
        subprocess.run(
            [sys.executable, "-m", "foldwatch", *command, "--without", ",".join(names)],
            env=_environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        finding = analyze([place]).findings[0]
        return {
            "without": names,
            "at_end": {name: _at_end(place, name) for name in RESOURCES},
            "per_fold": {name: finding.growth[name].slope for name in RESOURCES},
            "verdicts": {name: finding.growth[name].verdict for name in RESOURCES},
        }


def threads_after_imports() -> dict[str, Any]:
    """Count the threads of a fresh process after NumPy, scikit-learn and TensorFlow, and after use."""
    found: dict[str, Any] = {"cores": len(os.sched_getaffinity(0))}
    for mode in MODES:
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS, mode],
            env=_environment(),
            stdout=subprocess.PIPE,
            check=True,
        )
        found[mode] = [int(word) for word in done.stdout.split()]
    return found


def _environment() -> dict[str, str]:
    """Caps that are set already would be in every run."""
    return {name: value for name, value in os.environ.items() if name not in THREAD_CAPS}


def _at_end(place: str, resource: str) -> list[int]:
    """Return the resource at the last label of each fold, whatever process it ran in."""
    values: dict[int, int] = {}
    for folder, _, names in os.walk(place):
        if "journal.jsonl" not in names:
            continue
        for record in JournalFollower(os.path.join(folder, "journal.jsonl")).finish():
            if isinstance(record, Reading) and record.stage == LAST and record.fold:
                values[record.fold] = getattr(record, resource)
    return [value for _, value in sorted(values.items())]


if __name__ == "__main__":
    main()
