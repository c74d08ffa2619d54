"""The recorder's timer writes who holds a limit that is near, before the sample that shows it; a label never looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from telemetry.holders import EVENT
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
import os, resource, sys
import telemetry
from telemetry.journal.writer import JournalWriter
from telemetry.kernel.reader import Reader
from telemetry.recorder.sampler import Sampler
from telemetry.recorder.watched_sample import WatchedSample

def sampler():
    return Sampler(reader=Reader(), journal=journal, lines=sys.stderr)

journal = JournalWriter(sys.argv[1])
files = [open("/dev/zero") for _ in range(600)]
used = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (used * 100 // 85, used * 100 // 85))
sampler().checkpoint("full")
timed = sampler()
watched = WatchedSample(timed.sample, timed.record, timed.attempt, lambda: None)
watched.take()
watched.take()
print(timed.error_counts)
"""


def test_who_holds_a_limit_stands_before_the_sample_that_shows_it(tmp_path: Path) -> None:
    """Once, and not from the label, for which the training waits."""
    path = tmp_path / "journal.jsonl"
    outcome = run_python("-c", FULL, str(path))
    assert (outcome.out, outcome.code) == ("{}\n", 0), outcome.err
    records = [json.loads(line) for line in path.read_text().splitlines()]
    names = [record.get("name") or record["kind"] for record in records]
    assert names == ["checkpoint", EVENT, "sample", "sample"]
    assert "pools" in records[2]  # which were read in the sample that showed the limit to be near
    held = records[1]
    assert held["limit"] == "open_files"
    assert held["top"][0] == {
        "kind": "descriptors",
        "amount": 600,
        "name": "/dev/zero",
        "processes": 1,
        "zombies": 0,
    }
