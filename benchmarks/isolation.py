"""What a fresh process for each fold costs: wall time over that of one process for all, real TensorFlow.

Both kinds run one after the other on the same folds. FOLDWATCH_BENCH_EPOCHS sets the epochs of the
long folds, which are to take a minute or more (0: short folds alone).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading

FOLDS = 3
SHORT_EPOCHS = 1
LONG_EPOCHS = int(os.environ.get("FOLDWATCH_BENCH_EPOCHS", "0"))


def wall_seconds(place: str, epochs: int, isolation: str) -> float:
    """Run the folds; return how long it took."""
    command = [sys.executable, "-m", "foldwatch", "train", "--folds", str(FOLDS)]
    command += ["--epochs", str(epochs), "--isolation", isolation, "--output", place]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def at_start(place: str) -> list[Reading]:
    """Return the readings at ``Fold K/N START``."""
    found = []
    for fold in range(1, FOLDS + 1):
        records = JournalFollower(os.path.join(place, f"fold-{fold}", "journal.jsonl")).finish()
        found += [r for r in records if isinstance(r, Reading) and r.stage == "START"]
    return found


def spread(values: list[int]) -> float:
    """Return how far apart they are, as a share of the smallest."""
    return (max(values) - min(values)) / min(values)


def measure(epochs: int) -> dict[str, float]:
    """Compare the two ways of running the same folds."""
    with tempfile.TemporaryDirectory() as place:
        together = wall_seconds(f"{place}/none", epochs, "none")
        apart = wall_seconds(f"{place}/process", epochs, "process")
        starts = at_start(f"{place}/process")
        return {
            "epochs": epochs,
            "fold_seconds": together / FOLDS,
            "together_seconds": together,
            "apart_seconds": apart,
            "ratio": apart / together,
            "maps_spread": spread([r.maps for r in starts if r.maps]),
            "rss_spread": spread([r.rss_bytes for r in starts if r.rss_bytes]),
        }


def main() -> None:
    """Print one JSON object for each length of folds."""
    for epochs in (SHORT_EPOCHS, LONG_EPOCHS):
        if epochs:
            print(json.dumps(measure(epochs)))


if __name__ == "__main__":
    main()
