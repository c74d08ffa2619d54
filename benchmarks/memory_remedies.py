"""Does the remedy that is named first help? Over the programs of `memory_natures`.

    python -m benchmarks.memory_remedies [NAME ...]

Each program is run three times: as people run it (nothing is settled), to see by how much more memory each fold begins
with than the one before; once settled, to hear which remedy is named first; and with that remedy.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from typing import TYPE_CHECKING

from analyzer import analyze
from analyzer.diagnosis.nature_steps import GIVE_BACK
from analyzer.diagnosis.remedies import ISOLATE
from analyzer.growth.trend import Trend
from benchmarks.memory_natures import FOLDS, LIBRARIES, programs, record
from telemetry.formatting import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.diagnosis.remedies import Remedy

UNSETTLED = {"FOLDWATCH_SETTLE": "off"}
HELPS = 0.8
"""Share of the slope that a remedy must take away."""
BEGINNING = "START"
_SETTING = re.compile(r"^[A-Z_]+=\S+( [A-Z_]+=\S+)*$")


def slope(*folders: str) -> float:
    """Return by how many bytes of RSS more each fold begins than the one before, over one process or one a fold."""
    sizes: dict[float, float] = {}
    for folder in folders:
        for finding in analyze(folder).findings:
            found = finding.process.checkpoints.series("rss_bytes")[BEGINNING]
            sizes |= {float(fold): size for fold, size in found.items()}
    return Trend({BEGINNING: sizes}).slope().value


def first_remedy(name: str) -> Remedy | None:
    """Return what is named first against what a program's folds leave behind; None where nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        record(name, folder)
        (finding,) = analyze(folder).findings
    return next(iter(finding.remedies), None)


def slope_with(name: str, remedy: Remedy) -> float | None:
    """Return the slope with a remedy; None for one that only the author of the program can apply."""
    if remedy.text == ISOLATE[0]:
        return _slope_of_processes(name)
    if remedy.text == GIVE_BACK[0]:
        return _slope_of(name, {})
    if remedy.command is not None and _SETTING.match(remedy.command):
        return _slope_of(
            name, UNSETTLED | dict(one.split("=", 1) for one in remedy.command.split())
        )
    return None


def _slope_of(name: str, environment: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        record(name, folder, environment=environment)
        return slope(folder)


def _slope_of_processes(name: str) -> float:
    with tempfile.TemporaryDirectory() as place:
        folders = [f"{place}/{fold}" for fold in range(1, FOLDS + 1)]
        for fold, folder in enumerate(folders, start=1):
            record(name, folder, environment=UNSETTLED | {"ONLY_FOLD": str(fold)})
        return slope(*folders)


def tried(name: str) -> dict[str, object]:
    """Try the remedy of one program."""
    library = LIBRARIES.get(name)
    if library and not os.path.exists(library):
        return {"program": name, "skipped": f"there is no {library}"}
    before, remedy = _slope_of(name, UNSETTLED), first_remedy(name)
    found: dict[str, object] = {"program": name, "mb_a_fold": round(before / MEBIBYTE, 1)}
    if remedy is None:
        return found | {"remedy": None}
    found["remedy"] = remedy.command or remedy.text
    after = slope_with(name, remedy)
    if after is None:
        return found | {"tried": False}
    return found | {
        "mb_a_fold_with_it": round(after / MEBIBYTE, 1),
        "falls_by": round(1 - after / before, 3),
        "failed": after > (1 - HELPS) * before,
    }


def main(names: Sequence[str]) -> None:
    """Print one JSON object a line."""
    results = []
    for name in names or programs():
        results.append(tried(name))
        print(json.dumps(results[-1]), flush=True)
    with_one = [one for one in results if "failed" in one]
    failed = sum(bool(one["failed"]) for one in with_one)
    print(json.dumps({"tried": len(with_one), "helped": len(with_one) - failed, "failed": failed}))


if __name__ == "__main__":
    main(sys.argv[1:])
