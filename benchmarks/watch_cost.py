"""What `foldwatch serve --watch` costs on a host of 1,000 processes of which ten match, beside process-exporter.

Both run at the same time, over the same processes. process-exporter reads all of them whenever it is scraped, here once
in 15 s, as Prometheus does by default.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.attach_cost import ROOT, cpu_seconds
from benchmarks.process_exporter import PROGRAM, scraped

PROCESSES = 1000
MATCHING = 10
SECONDS = 120.0
SETTLE_SECONDS = 20.0
"""For it to load, and to find what is there."""
SCRAPE_SECONDS = 15.0


def children_named(word: str) -> list[int]:
    """Return the processes with ``word`` in their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if word.encode() in file.read():
                found.append(int(name))
    return found


def main(processes: int = PROCESSES, seconds: float = SECONDS) -> None:
    """Print one JSON object."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        word = f"watched-{os.getpid()}"
        for number in range(processes):
            name = f"{word}-{number}-" if number < MATCHING else "other"
            command = ["sh", "-c", "sleep 100000; :", name]
            stack.callback(subprocess.Popen(command, start_new_session=True).kill)
        serve = subprocess.Popen(
            [
                *(sys.executable, "-m", "foldwatch", "serve", place, "--watch", f"{word}-"),
                *("--port", "0"),
            ],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(serve.wait)
        stack.callback(serve.terminate)
        scrape, other = None, None
        if PROGRAM is not None:
            scrape = stack.enter_context(scraped(f"{word}-0-", smaps=False))
            other = next(iter(children_named("-config.path=/tmp")), None)
        time.sleep(SETTLE_SECONDS)
        before, began = cpu_seconds(serve.pid), time.monotonic()
        other_before = cpu_seconds(other) if other else 0.0
        scrapes, next_scrape = 0, began
        while (now := time.monotonic()) - began < seconds:
            if scrape is not None and now >= next_scrape:
                scrape()
                scrapes, next_scrape = scrapes + 1, next_scrape + SCRAPE_SECONDS
            time.sleep(0.5)
        passed = time.monotonic() - began
        result = {
            "processes": processes,
            "recorded": len(os.listdir(place)),
            "watch_share": (cpu_seconds(serve.pid) - before) / passed,
            "process_exporter_per_scrape": (cpu_seconds(other) - other_before) / scrapes
            if other and scrapes
            else None,
        }
        print(json.dumps(result), flush=True)
        for pid in children_named("sleep 100000"):
            with contextlib.suppress(OSError):
                os.kill(pid, 9)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
