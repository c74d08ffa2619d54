"""The leaks of ``foldwatch reproduce`` after a training of milliseconds in place of the reference's seconds.

The leaks, and what TensorFlow does at the limit, are the real ones. A fold goes on to its leak when the
runner has read its process twice, as a longer training would have it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from tests.scripts import small_model
from tests.support.waiting import wait_until
from trainer import reference
from trainer.reproduce import leaks

if TYPE_CHECKING:
    from trainer.worker.fold import Fold

READINGS = 2
SECONDS = 60


def train(fold: Fold) -> dict[str, float]:
    """Train one layer over the fold's devices, and be read."""
    metrics = small_model.train(fold)
    _wait_for_readings(fold)
    return metrics


def _wait_for_readings(fold: Fold) -> None:
    path = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], "journal.jsonl")
    if not os.path.exists(path):
        path = os.path.join(fold.folder, "journal.jsonl")
    journal = JournalFollower(path)
    journal.poll()
    seen: list[Reading] = []

    def are_there() -> bool:
        seen.extend(r for r in journal.poll() if isinstance(r, Reading) and r.label is None)
        return len(seen) >= READINGS

    wait_until(are_there, SECONDS, "the runner's readings")


assert vars(leaks)["train"] is reference.train
vars(leaks)["train"] = train
pids = leaks.pids
