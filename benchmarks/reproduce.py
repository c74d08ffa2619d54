"""``foldwatch reproduce``, every scenario three times on this machine, and what each left behind.

``python -m benchmarks.reproduce [SCENARIO...]`` prints an object a run, as it ends, and keeps all
of them in reproduced.json, and a picture of each scenario, which ``make results`` reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

TIMES = 3
SCENARIOS = ("pids", "maps", "memory", "incident")
RECORD = "reproduced.json"


def main(names: list[str]) -> int:
    """Run them; 1 where one of them lacked something or left something behind."""
    found = []
    for _ in range(TIMES):
        for name in names or SCENARIOS:
            found.append(measure(name))
            print(json.dumps(found[-1]), flush=True)
            with open(RECORD, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)
    return 1 if any(run["missing"] or run["left"] for run in found) else 0


def picture(name: str) -> str:
    """Return the file name of the picture of a scenario."""
    return f"reproduced-{name}.png"


def measure(name: str) -> dict[str, Any]:
    """Run one scenario; return its reproduce.json without the comparison, and what was left."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as temporary:
        with subprocess.Popen(
            [sys.executable, "-m", "foldwatch", "reproduce", name, "--output", place],
            env=os.environ | {"TMPDIR": temporary},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            process.wait()
        shutil.copyfile(os.path.join(place, "before-and-after.png"), picture(name))
        with open(os.path.join(place, "reproduce.json"), encoding="utf-8") as file:
            record: dict[str, Any] = json.load(file)
        del record["before_and_after"]
        return record | {"left": left(process.pid, place, temporary)}


def left(runner: int, place: str, temporary: str) -> list[str]:
    """Name every process that works in ``place``, every cgroup of ``runner``'s, and temporary files."""
    found = [os.path.join(temporary, name) for name in os.listdir(temporary)]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"FOLDWATCH_RUN_DIR={place}".encode() in file.read():
                    found.append(f"process {pid}")
        except OSError:  # it has ended, or is another user's
            continue
    for folder, folders, _ in os.walk("/sys/fs/cgroup"):
        own = [name for name in folders if name.startswith(f"foldwatch-{runner}-")]
        found += [os.path.join(folder, name) for name in own]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
