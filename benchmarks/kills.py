"""200 random SIGKILLs of a process that checkpoints in a tight loop while its timer runs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time

from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading

KILLS = 200
WRITER = """
import os, sys, telemetry
telemetry.start(run_dir=sys.argv[1], interval=0.001, lines=open(os.devnull, "w"))
number = 0
while True:
    telemetry.checkpoint(f"step {number}")
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def main(seed: int = 7) -> None:
    """Print one JSON object."""
    chance = random.Random(seed)
    returned = lost = unreadable = 0
    for _ in range(KILLS):
        with tempfile.TemporaryDirectory() as place:
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            output = first + process.stdout.read()
            process.wait()
            done = {f"step {number.decode()}" for number in output.split(b"\n")[:-1]}
            follower = JournalFollower(os.path.join(place, "journal.jsonl"))
            records = follower.finish()
            there = {record.label for record in records if isinstance(record, Reading)}
            returned += len(done)
            lost += len(done - there)
            unreadable += not records or len(follower.skipped) > 1
    print(
        json.dumps({"kills": KILLS, "returned": returned, "lost": lost, "unreadable": unreadable})
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
