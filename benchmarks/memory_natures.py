"""Is what grown memory is said to be what it is? Over programs of which it is known.

    python -m benchmarks.memory_natures [NAME ...]     # all of tests/scripts/memory_natures by default

The truth of a program is the beginning of its docstring.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
from collections import Counter
from typing import TYPE_CHECKING

from analyzer import analyze
from analyzer.growth.nature import Nature
from analyzer.growth.trend import Trend
from telemetry.formatting import MEBIBYTE
from tests.scripts import memory_natures
from tests.scripts.memory_natures import jemalloc_dirty, tcmalloc_free
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.processes.process import Process

FOLDS = 5
SECONDS = 600
FOLDER = os.path.dirname(memory_natures.__file__)
NOT_PROGRAMS = {"__init__", "folds"}
LIBRARIES = {
    "jemalloc_dirty": jemalloc_dirty.LIBRARY,
    "tcmalloc_free": tcmalloc_free.LIBRARY,
}
"""By program, what it preloads."""
LAST_LABEL = "AFTER CLEANUP"


def programs() -> Sequence[str]:
    """Return the names of all programs."""
    names = {name.removesuffix(".py") for name in os.listdir(FOLDER) if name.endswith(".py")}
    return sorted(names - NOT_PROGRAMS)


def truth_of(name: str) -> str:
    """Return what the grown memory of a program is."""
    with open(os.path.join(FOLDER, f"{name}.py"), encoding="utf-8") as file:
        words = ast.get_docstring(ast.parse(file.read())) or ""
    return Nature(words.partition(":")[0])


def record(
    name: str, folder: str, folds: int = FOLDS, *, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end, with ``folder`` as its run directory and some variables more."""
    module = f"{memory_natures.__name__}.{name}"
    variables = {"FOLDS": str(folds), **(environment or {})}
    done = run_python("-m", module, folder, seconds=SECONDS, environment=variables)
    if done.code:
        raise RuntimeError(f"{name} ended with {done.code}: {done.err}")


def judge(name: str) -> dict[str, object]:
    """Run a program, and say what its memory is said to be, and what it is."""
    library = LIBRARIES.get(name)
    if library and not os.path.exists(library):
        return {"program": name, "skipped": f"there is no {library}"}
    with tempfile.TemporaryDirectory() as folder:
        record(name, folder)
        (finding,) = analyze(folder).findings
    found = finding.growth["rss_bytes"].nature
    return {
        "program": name,
        "truth": truth_of(name),
        "nature": found and found.nature,
        "reason": found and found.reason,
        "growth_mb": round(_growth(finding.process) / MEBIBYTE, 1),
    }


def _growth(process: Process) -> float:
    """Return the bytes of RSS that it grows by a fold, read before malloc gives back what it keeps."""
    by_fold = process.checkpoints.series("rss_bytes")[LAST_LABEL]
    return Trend({LAST_LABEL: {float(fold): size for fold, size in by_fold.items()}}).slope().value


def judged(names: Sequence[str]) -> Iterator[dict[str, object]]:
    """Judge one program after another; give how often it was right at the end."""
    count: Counter[str] = Counter()
    for name in names:
        result = judge(name)
        yield result
        if "skipped" not in result:
            count[_kind(result)] += 1
    kinds = {kind: count[kind] for kind in ("right", "cannot_tell", "wrong")}
    yield {"programs": count.total(), **kinds}


def _kind(result: dict[str, object]) -> str:
    if result["nature"] == result["truth"]:
        return "right"
    return "cannot_tell" if result["nature"] == Nature.UNKNOWN else "wrong"


def main(names: Sequence[str]) -> None:
    """Print one JSON object a line."""
    for result in judged(names or programs()):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
