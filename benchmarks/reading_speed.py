"""``foldwatch analyze --json`` beside ``grep -cF '[THREADS]'`` on the same cached logs.

They take turns, start-up included; the ratio is of the medians. The logs are made before, and deleted.
What grep takes depends on the bars (training_log.py) by a factor of three or four.
"""

from __future__ import annotations

import json
import os
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
NO_OUTPUT = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)


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


def make(place: str, size: int, keras: int) -> str:
    """Write a log of ``size`` bytes; bigger ones are the smallest over and over."""
    path = os.path.join(place, f"{keras}-{size}.log")
    smallest = os.path.join(place, f"{keras}-{SIZES[0]}.log")
    if size == SIZES[0]:
        words = [path, str(size), str(keras)]
        command = [sys.executable, "-m", "benchmarks.training_log", *words]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    else:
        with open(path, "wb") as file, open(smallest, "rb") as source:
            for _ in range(size // SIZES[0]):
                source.seek(0)
                shutil.copyfileobj(source, file, 2**20)
    return path


def compare_sizes(place: str, keras: int) -> str:
    """Print a line for each size; return the smallest log."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    room = min(shutil.disk_usage(place).free, memory) / ROOM
    smallest = make(place, SIZES[0], keras)
    for size in (size for size in SIZES if size <= room):
        path = smallest if size == SIZES[0] else make(place, size, keras)
        grep, analyze = median_seconds([path])
        point = {"bars_of_keras": keras, "bytes": size, "grep": grep, "analyze": analyze}
        print(json.dumps(point), flush=True)
        if path != smallest:
            os.unlink(path)
    return smallest


def use_of(arguments: list[str]) -> tuple[float, float]:
    """Run a command; return how many cores it kept busy, and the megabytes of its biggest process."""
    began = time.perf_counter()
    pid = os.posix_spawn(arguments[0], arguments, COMPILED, file_actions=[NO_OUTPUT])
    _, _, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    return (used.ru_utime + used.ru_stime) / wall, used.ru_maxrss / 1024


def main() -> None:
    """Print one JSON object a line, for each size and for several files."""
    with tempfile.TemporaryDirectory() as place:
        smallest = [compare_sizes(place, keras) for keras in (2, 3)]
        four = [*smallest, *(os.path.join(place, f"{n}.log") for n in range(2))]
        for path in four[2:]:
            shutil.copyfile(four[0], path)
        busy, peak = use_of([sys.executable, "-m", "foldwatch", "analyze", "--json", *four])
        # One process for each core, each at most as big as the biggest.
        megabytes = peak * min(len(four), os.cpu_count() or 1)
        print(json.dumps({"files": len(four), "cores_busy": busy, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
