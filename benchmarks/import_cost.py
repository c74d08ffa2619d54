"""The cost of ``import telemetry`` and ``import foldwatch`` over a bare interpreter: time and memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

RUNS = 15
_MEASURE = """
import time
began = time.perf_counter()
{statement}
print(time.perf_counter() - began)
with open("/proc/self/status") as file:
    print(next(line.split()[1] for line in file if line.startswith("VmRSS")))
"""


def measure(statement: str) -> tuple[float, float]:
    """Return seconds and resident KiB of one fresh interpreter, isolated from site-packages."""
    code = _MEASURE.format(statement=statement)
    arguments = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"]
    seconds, kibibytes = subprocess.run(
        arguments, capture_output=True, text=True, check=True
    ).stdout.split()
    return float(seconds), float(kibibytes)


def main() -> None:
    """Print one JSON object: medians over runs that alternate."""
    bare, loaded, library = [], [], []
    for _ in range(RUNS):
        bare.append(measure("pass"))
        loaded.append(measure("import telemetry"))
        library.append(measure("import foldwatch"))
    result = {
        "milliseconds": 1000 * statistics.median(s for s, _ in loaded),
        "foldwatch_milliseconds": 1000 * statistics.median(s for s, _ in library),
        "megabytes": (
            statistics.median(k for _, k in loaded) - statistics.median(k for _, k in bare)
        )
        / 1024,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
