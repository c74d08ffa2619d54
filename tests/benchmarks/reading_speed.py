"""``foldwatch analyze --json`` beside ``grep -cF '[THREADS]'`` on the same cached logs.

They take turns, start-up included; the ratio is of the medians. The logs are made before, and deleted.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
SIZES = (2**28, 2**30, 2**32)
"""A quarter, one and four GiB; the last where the disk has room and the memory can cache it."""
ROOM = 2.5


COMPILED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""The environment; what pip installs is compiled to bytecode, and so is what is measured."""


def seconds(arguments: list[str]) -> float:
    """Run a command to its end; grep gets a pipe, for it stops early where nobody reads."""
    began = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.PIPE, check=False, env=COMPILED)
    return time.perf_counter() - began


def median_seconds(paths: list[str]) -> tuple[float, float]:
    """Return what grep and foldwatch take on the same files."""
    grep = ["grep", "-cF", "[THREADS]", *paths]
    analyze = [sys.executable, "-m", "foldwatch", "analyze", "--json", *paths]
    taken = [(seconds(grep), seconds(analyze)) for _ in range(ROUNDS + 1)][1:]
    return statistics.median(g for g, _ in taken), statistics.median(a for _, a in taken)


def make(place: str, size: int) -> str:
    """Write a log of ``size`` bytes; bigger ones are the smallest over and over."""
    path = os.path.join(place, f"{size}.log")
    smallest = os.path.join(place, f"{SIZES[0]}.log")
    if size == SIZES[0]:
        command = [sys.executable, "-m", "tests.benchmarks.training_log", path, str(size)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    else:
        with open(path, "wb") as file, open(smallest, "rb") as source:
            for _ in range(size // SIZES[0]):
                source.seek(0)
                shutil.copyfileobj(source, file, 2**20)
    return path


def main() -> None:
    """Print one JSON object a line, for each size and for several files."""
    with tempfile.TemporaryDirectory() as place:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        room = min(shutil.disk_usage(place).free, memory) / ROOM
        for size in (size for size in SIZES if size <= room):
            path = make(place, size)
            grep, analyze = median_seconds([path])
            point = {"bytes": size, "grep": grep, "analyze": analyze}
            print(json.dumps(point), flush=True)
            if size > SIZES[0]:
                os.unlink(path)
        four = [make(place, SIZES[0])] + [os.path.join(place, f"{n}.log") for n in range(3)]
        for path in four[1:]:
            shutil.copyfile(four[0], path)
        began = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds([sys.executable, "-m", "foldwatch", "analyze", "--json", *four])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall = time.perf_counter() - began
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        # Each process is at most as big as the biggest, and there is one for each core.
        peak = after.ru_maxrss * min(2, os.cpu_count() or 1) / 1024
        print(json.dumps({"files": 4, "cores_busy": cpu / wall, "megabytes": peak}), flush=True)


if __name__ == "__main__":
    main()
