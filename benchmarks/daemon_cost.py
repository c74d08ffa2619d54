"""The daemon beside 33 processes of 41 threads each, and over a directory of 1,000 journals.

The processes are real: each records itself, named pools and all, while the daemon, a process of its
own, is scraped. A collection is timed by itself, on the journals that they have written.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROCESSES = 33
THREADS = 41
JOURNALS = 1000
SCRAPES = 1500
AT_ONCE = 200
RECORDED = """
import sys, threading, time, telemetry
stop = threading.Event()
def wait(number):
    open("/proc/thread-self/comm", "w").write(f"{'abcdefgh'[number % 8]}_pool/{number}")
    stop.wait()
for number in range(int(sys.argv[2]) - 2):
    threading.Thread(target=wait, args=(number,), daemon=True).start()
telemetry.start(run_dir=sys.argv[1], interval=1.0, lines=open("/dev/null", "w"))
for fold in range(1, 4):
    with telemetry.fold(fold, of=3):
        for stage in ("START", "after model creation", "after fit", "AFTER CLEANUP"):
            telemetry.checkpoint(stage)
print("ready", flush=True)
stop.wait()
"""


def start_processes(top: str) -> list[subprocess.Popen[bytes]]:
    """Start the processes that record themselves, and wait until all do."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDED, f"{top}/run-{number}", str(THREADS)],
            stdout=subprocess.PIPE,
        )
        for number in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    return processes


def start_daemon(top: str) -> tuple[subprocess.Popen[str], int]:
    """Start ``foldwatch serve`` and return it with its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "foldwatch", "serve", top, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    port = int(process.stderr.readline().strip().rstrip("/").rpartition(":")[2])
    return process, port


def scrape(port: int) -> tuple[int, int]:
    """Ask for the metrics as Prometheus does, and return how many bytes and lines came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or not body.endswith(b"# EOF\n"):
        raise OSError(f"status {answer.status}")
    return len(body), body.count(b"\n")


def scrape_seconds(port: int) -> list[float]:
    """Time scrapes one after another, for long enough to meet every phase of collecting."""
    taken = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        scrape(port)
        taken.append(time.perf_counter() - began)
        time.sleep(0.003)
    return taken


def failures_at_once(port: int) -> int:
    """Scrape many times at once and return how many failed."""
    start = threading.Barrier(AT_ONCE)

    def one(_: int) -> bool:
        start.wait()
        try:
            return scrape(port)[0] == 0
        except OSError:
            return True

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(one, range(AT_ONCE)))


def collection_seconds(top: str, rounds: int) -> list[float]:
    """Time rounds of collecting and rendering while the journals grow."""
    from foldwatch.commands.serve import SWITCH_SECONDS
    from telemetry.daemon.daemon import ROUND_SECONDS, Daemon
    from telemetry.daemon.live_state import LiveState
    from trainer.runner.growth_so_far import judge_run

    sys.setswitchinterval(SWITCH_SECONDS)
    board = LiveState()
    daemon = Daemon(
        top, judge=judge_run, on_publish=lambda found: board.publish(found, daemon.histories())
    )
    taken = [ROUND_SECONDS]
    while taken[-1] > ROUND_SECONDS / 2 or len(taken) < 10:  # what lies there already is read first
        taken.append(timed(daemon.collect))
    taken = []
    for _ in range(rounds):
        taken.append(timed(daemon.collect))
        time.sleep(max(0.0, 1.0 - taken[-1]))
    return taken


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write_old_journals(top: str, source: str) -> None:
    """Copy one journal a thousand times, as of days ago, as a directory of past runs has them."""
    with open(source, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r'"time":([0-9.]+)', lambda at: f'"time":{float(at[1]) - 2 * 86400}', text)
    for number in range(JOURNALS):
        folder = f"{top}/{number % 10}/old-{number}"
        os.makedirs(folder)
        with open(f"{folder}/journal.jsonl", "w", encoding="utf-8") as file:
            file.write(text)


def percentile(taken: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all are under."""
    return sorted(taken)[int(share * (len(taken) - 1))]


def measured(top: str) -> dict[str, float]:
    """Measure a daemon over ``top``."""
    collections = collection_seconds(top, 20)
    daemon, port = start_daemon(top)
    lines = 0
    while lines != (lines := scrape(port)[1]) or not lines:  # it is still reading what lies there
        time.sleep(3)
    try:
        taken = scrape_seconds(port)
        return {
            "scrape_p99_ms": 1000 * percentile(taken, 0.99),
            "scrape_p50_ms": 1000 * statistics.median(taken),
            "collection_p95_ms": 1000 * percentile(collections, 0.95),
            "collection_p50_ms": 1000 * statistics.median(collections),
            "failed_of_200_at_once": failures_at_once(port),
            "kilobytes": scrape(port)[0] / 1000,
        }
    finally:
        daemon.terminate()
        daemon.wait()


def main() -> None:
    """Print one JSON object a line: for the processes, and for the old journals."""
    with tempfile.TemporaryDirectory() as top:
        processes = start_processes(top)
        try:
            print(
                json.dumps({"of": f"{PROCESSES} processes of {THREADS} threads", **measured(top)}),
                flush=True,
            )
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        with tempfile.TemporaryDirectory() as many:
            write_old_journals(many, f"{top}/run-0/journal.jsonl")
            print(json.dumps({"of": f"{JOURNALS:,} journals", **measured(many)}), flush=True)


if __name__ == "__main__":
    main()
