"""``foldwatch analyze --json`` beside ``grep -cF '[THREADS]'``, on logs as runtimes and launchers wrap them.

Both write into a pipe, take turns and are measured with their start; the ratio is of the medians. A log holds
bars of a training as Keras 2 draws them, one line in a hundred with the marker, and stamps that run. A pattern
of a user, which no line matches, is measured on the same logs.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from subprocess import PIPE, run
from typing import TYPE_CHECKING

from benchmarks.reading_speed import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 2**29
ROUNDS = 5
UNIT_BYTES = 2**26
"""Written anew; the rest of a log is this over and over."""
PATTERN = r"RSS now (?P<rss>[\d.]+) MB"
BEGAN = datetime(2026, 1, 14, 3, 12, 44, tzinfo=UTC)


def _json(line: str, now: datetime) -> str:
    content = {"log": line + "\n", "stream": "stderr", "time": f"{now:%Y-%m-%dT%H:%M:%S.%f}123Z"}
    return json.dumps(content, separators=(",", ":"))


WRAPPINGS: dict[str, Callable[[str, datetime, int], str]] = {
    "plain": lambda line, _now, _n: line,
    "docker": lambda line, now, _n: _json(line, now),
    "cri": lambda line, now, _n: f"{now:%Y-%m-%dT%H:%M:%S.%f}123Z stderr F {line}",
    "journald": lambda line, now, _n: f"{now:%b %d %H:%M:%S} gpu-07 python[{91_204}]: {line}",
    "logging": lambda line, now, _n: (
        f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03} INFO fit: {line}"
    ),
    "ranks": lambda line, _now, n: f"[rank{n % 8}]: {line}",
    "one line of bars": lambda line, _now, _n: line if "THREADS" in line else f"\r{line}",
    "compose": lambda line, _now, n: f"worker-{n % 3}  | {line}",
    "kubectl --prefix": lambda line, _now, n: f"[pod/train-{n % 12}-x7k2p/main] {line}",
    "RFC 5424": lambda line, now, n: (
        f"<14>1 {now:%Y-%m-%dT%H:%M:%S.%f}Z gpu-07 fit {4000 + n % 4} - - {line}"
    ),
    "mpirun": lambda line, _now, n: f"[1,{n % 4}]<stdout>:{line}",
}


def lines(numbers: random.Random, wrapping: str) -> str:
    """Return about ``UNIT_BYTES`` of a log."""
    wrap, now, size = WRAPPINGS[wrapping], BEGAN, 0
    found: list[str] = []
    end = "" if wrapping == "one line of bars" else "\n"
    while size < UNIT_BYTES:
        number = len(found)
        now += timedelta(milliseconds=numbers.randrange(1, 90))
        if number % 100 == 99:
            line = (
                f"[THREADS] Fold {min(5, 1 + 5 * size // UNIT_BYTES)}/5 step {number % 7}: "
                f"proc={numbers.randrange(90, 99)}, cgroup={numbers.randrange(500, 590)}/7680, "
                f"maps={numbers.randrange(2400, 2500)}/65530, rss={numbers.randrange(1700, 1800)}MB"
            )
            text = wrap(line, now, number) + "\n"
        else:
            step = numbers.randrange(1, 800)
            bar = f"{'=' * (step // 80)}>{'.' * (10 - step // 80)}"
            line = f"{step}/800 [{bar}] - {step}s {numbers.randrange(90)}ms/step"
            line += f" - accuracy: {numbers.random():.4f} - loss: {numbers.random():.4f}"
            text = wrap(line, now, number) + end
        found.append(text)
        size += len(text)
    return "".join(found)


def make(path: str, wrapping: str) -> None:
    """Write a log of ``SIZE`` bytes or a little less."""
    unit = lines(random.Random(wrapping), wrapping).encode()
    with open(path, "wb") as file:
        file.writelines(unit for _ in range(SIZE // len(unit)))


def seconds(command: str) -> float:
    """Run a shell command to its end, into a pipe."""
    began = time.perf_counter()
    run(command, shell=True, stdout=PIPE, check=False, env=COMPILED)  # noqa: S602 - a pipe of our own
    return time.perf_counter() - began


def main() -> None:
    """Print one JSON object for each wrapping."""
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "train.log")
        analyze = f"{sys.executable} -m foldwatch analyze --json {path}"
        commands = {
            "grep": f"grep -cF '[THREADS]' {path} | cat",
            "analyze": analyze,
            "pattern": f"{analyze} --pattern '{PATTERN}'",
        }
        for wrapping in sys.argv[1:] or WRAPPINGS:
            make(path, wrapping)
            taken = [
                {name: seconds(command) for name, command in commands.items()}
                for _ in range(ROUNDS + 1)
            ][1:]
            medians = {name: statistics.median(one[name] for one in taken) for name in commands}
            print(json.dumps({"wrapping": wrapping, "bytes": SIZE, **medians}), flush=True)


if __name__ == "__main__":
    main()
