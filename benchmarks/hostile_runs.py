"""Every field of what a run leaves, with values that are no values: beside a good run, and in one that is resumed.

A real daemon follows thousands of such runs; the good one goes on, and its values have to be current. Then the same runs
are analyzed and exported, and copies of a run of which one file holds such a value are resumed.

    python -m benchmarks.hostile_runs 500 7     # so many of the resumptions, chosen by the seed 7
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.journal.records import encode
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Reading
from tests.support.builders import reading
from tests.support.hostile import hostile_files, hostile_journals, hostile_texts
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES = 20
"""Of the good run's values."""
LONGEST_SECONDS = 2.0
"""For a value of the good run to be in a scrape."""
LONGEST_STOP_SECONDS = 5.0
START_SECONDS = 120
STATES = 100
AT_ONCE = 3
RESUME_SECONDS = 60
PORT = re.compile(rb"http://\S*:(\d+)")
FOLD = """
import json, os, sys
if sys.argv[1] == "3":
    sys.exit(1)
with open(os.environ["FOLDWATCH_METRICS"], "w") as file:
    json.dump({"score": int(sys.argv[1]) / 7}, file)
"""
CHANGED = (
    *("run.json", "summary.json", ".leases/fold-1.1", "fold-1/result.json", "fold-1/metrics.json"),
    *("fold-3/failure.json", "fold-1/journal.jsonl"),
)


def write_runs(top: Path) -> int:
    """Write a run for each value in each field; return how many there are."""
    count, now = 0, time.time()
    for number, (_, journal) in enumerate(hostile_journals(now)):
        place = top / f"r{number}"
        place.mkdir()
        (place / "journal.jsonl").write_bytes(journal)
        count += 1
    for number, (_, path, text) in enumerate(hostile_files()):
        place = top / f"f{number}"
        (place / path).parent.mkdir(parents=True)
        (place / path).write_text(text)
        (place / "journal.jsonl").write_bytes(encode(reading(1, now, threads=5)))
        count += 1
    return count


def answer(port: int, path: str, accept: str = "*/*") -> str:
    """Return what the daemon says."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as response:
        text: str = response.read().decode()
    return text


def shown(port: int) -> float | None:
    """Return the threads of the good run in a scrape."""
    found = re.search(
        r'^foldwatch_threads\{[^}]*run="good"[^}]*\} (\S+)', answer(port, "/metrics"), re.MULTILINE
    )
    return None if found is None else float(found[1])


def seconds_until(port: int, threads: int) -> float:
    """Return how long it takes until the good run has so many threads in a scrape."""
    began = time.monotonic()
    while shown(port) != threads:
        if time.monotonic() - began > START_SECONDS:
            return START_SECONDS
        time.sleep(0.02)
    return time.monotonic() - began


def written(file: IO[bytes]) -> bytes:
    """Return all that is in a file."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def refuse_constant(name: str) -> None:
    """Refuse what is no JSON."""
    raise ValueError(name)


@contextmanager
def daemon(top: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, IO[bytes]]]:
    """Run a daemon; give it, its port, and what it writes."""
    command = [sys.executable, "-m", "foldwatch", "serve", str(top), "--port", "0"]
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stderr=said) as process:
        try:
            found = wait_until(lambda: PORT.search(written(said)), START_SECONDS, "the daemon")
            yield process, int(found[1]), said
        finally:
            process.kill()


def check_answers(port: int) -> int:
    """Check a scrape and the states of runs; return how many families of metrics there are."""
    text = answer(port, "/metrics", "application/openmetrics-text")
    families = [*text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]
    text = answer(port, "/metrics")
    subprocess.run(["promtool", "check", "metrics"], input=text.encode(), check=True)
    runs = json.loads(answer(port, "/api/state"), parse_constant=refuse_constant)["runs"]
    for run in runs[:STATES]:
        asked = urlencode({name: run[name] for name in ("run", "host", "rank")})
        json.loads(answer(port, f"/api/state?{asked}"), parse_constant=refuse_constant)
    return len(families)


def with_daemon(top: Path) -> dict[str, Any]:
    """Have a daemon follow all runs while the good one goes on."""
    good = JournalWriter(str(top / "good/journal.jsonl"))
    with daemon(top) as (process, port, said):
        taken = []
        for number in range(CHANGES):
            good.write(Reading(time=time.time(), pid=1, threads=100 + number))
            taken.append(seconds_until(port, 100 + number))
        families = check_answers(port)
        stopping = time.monotonic()
        process.terminate()
        process.wait(START_SECONDS)
        stop = time.monotonic() - stopping
        tracebacks = written(said).count(b"Traceback")
    late = max(taken) > LONGEST_SECONDS or stop > LONGEST_STOP_SECONDS
    return {
        "longest_seconds": round(max(taken), 2),
        "stop_seconds": round(stop, 2),
        "families": families,
        "tracebacks": tracebacks,
        "failed": bool(tracebacks or late or process.returncode not in {0, -signal.SIGTERM}),
    }


def offline(top: Path) -> dict[str, Any]:
    """Analyze and export all runs; the good one is in both."""
    program = [sys.executable, "-m", "foldwatch"]
    judged = subprocess.run(
        [*program, "analyze", "--json", str(top)], capture_output=True, text=True, check=False
    )
    sources = {process["source"] for process in json.loads(judged.stdout)["processes"]}
    with tempfile.TemporaryDirectory() as place:
        exported = subprocess.run(
            [*program, "export", str(top), "--openmetrics", f"{place}/out"],
            capture_output=True,
            text=True,
            check=False,
        )
        with open(f"{place}/out", encoding="utf-8") as file:
            is_exported = any('run="good"' in line for line in file)
    tracebacks = f"{judged.stderr}{exported.stderr}".count("Traceback")
    is_good_judged = str(top / "good/journal.jsonl") in sources
    return {
        "analyzed": len(sources),
        "tracebacks": tracebacks,
        "failed": bool(tracebacks or exported.returncode or not (is_good_judged and is_exported)),
    }


def run(place: Path, *options: str) -> tuple[int | None, str]:
    """Run three folds, of which the last fails; return the exit code, None if it did not end, and what was said."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", "3", *options]
    command += ["--output", str(place), "--", sys.executable, "-I", "-S", "-c", FOLD, "{fold}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RESUME_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stderr + done.stdout


def changes(base: Path) -> Iterator[tuple[str, str, str]]:
    """Give a file of the run, a field of it, and the text with a value in that field."""
    for path in CHANGED:
        whole = (base / path).read_text()
        with suppress(ValueError):  # of several lines
            for name, text in hostile_texts(json.loads(whole)):
                yield path, name, text
            continue
        lines = whole.splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.startswith("{"):
                for name, text in hostile_texts(json.loads(line)):
                    changed = [*lines[:number], f"{text}\n", *lines[number + 1 :]]
                    yield path, f"{number}.{name}", "".join(changed)


def harm(base: Path, change: tuple[str, str, str]) -> str | None:
    """Resume a copy of the run with one field changed; return what harm that did, None if it did none."""
    path, _, text = change
    with tempfile.TemporaryDirectory() as top:
        place = Path(top, base.name)
        shutil.copytree(base, place)
        (place / path).write_text(text)
        code, said = run(place, "--resume-mode", "auto")
        before, after = (one / "fold-2/result.json" for one in (base, place))
        if code is None:
            return "hang"
        if "Traceback" in said:
            return "traceback"
        if code not in {1, 2}:
            return f"exit code {code}"
        if not after.exists() or before.read_bytes() != after.read_bytes():
            return "another fold's result"
        with suppress(OSError, ValueError):
            summary = json.loads((place / "summary.json").read_text())
            if code == 1 and summary["folds_finished"] != [1, 2]:
                return f"finished: {summary['folds_finished']}"
    return None


def resumed(count: int | None, seed: int) -> dict[str, Any]:
    """Resume runs with one changed field each."""
    with tempfile.TemporaryDirectory() as top:
        base = Path(top, "run")
        run(base)
        wanted = [*changes(base)]
        if count is not None:
            wanted = random.Random(seed).sample(wanted, min(count, len(wanted)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [*pool.map(lambda change: harm(base, change), wanted)]
    harmful = Counter(
        f"{path} {field}: {what}"
        for (path, field, _), what in zip(wanted, found, strict=True)
        if what is not None
    )
    return {"resumed": len(wanted), "harmful": dict(harmful), "failed": bool(harmful)}


def main(count: int | None = None, seed: int = 7) -> None:
    """Print one JSON object for each part."""
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        runs = write_runs(top)
        print(json.dumps({"part": "daemon", "runs": runs, **with_daemon(top)}), flush=True)
        print(json.dumps({"part": "offline", "runs": runs, **offline(top)}), flush=True)
    print(json.dumps({"part": "resume", **resumed(count, seed)}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
