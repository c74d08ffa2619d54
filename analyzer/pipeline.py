"""`analyze`: paths in, `AnalysisResult` out: find, read, judge.

What judges is loaded while other cores read: that takes as long as reading 30 MB.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import TYPE_CHECKING

from analyzer.logs.scan_options import PLAIN
from analyzer.processes.inputs import find_inputs
from analyzer.processes.reading import read_inputs
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from analyzer.logs.scan_options import ScanOptions
    from analyzer.result import AnalysisResult


def analyze(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    options: ScanOptions = PLAIN,
    progress: Callable[[int], None] | None = None,
) -> AnalysisResult:
    """Read a path or several (logs, journals, directories, or "-") and judge them. Raises InputError.

    ``progress`` is told now and then how many bytes of logs are read.
    """
    several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    inputs = find_inputs([os.fspath(path) for path in several])
    tables = read_inputs(inputs, options=options, progress=progress, meanwhile=_load_judging)
    from analyzer.judging import judge  # noqa: PLC0415 - the reading does not wait for it

    return judge(tables)


def _load_judging() -> None:
    """Load what judges, without a look for garbage: what is loaded stays."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        import_module("analyzer.judging")
    finally:
        if is_collecting:
            gc.enable()


def analyze_earlier(analysis: AnalysisResult, *, options: ScanOptions = PLAIN) -> AnalysisResult:
    """Judge the run before the last one of the same directory. Raises InputError where there is none."""
    runs = analysis.earlier_runs
    if not runs:
        raise InputError(
            "--compare: no earlier run in the same directory; name what to compare with"
        )
    if len(directories := {run.directory for run in runs}) > 1:
        words = f"--compare: {len(directories)} directories hold earlier runs"
        raise InputError(f"{words}; analyze one of them, or name what to compare with")
    if runs[-1].findings is None:
        return analyze(runs[-1].path, options=options)
    from analyzer.result import AnalysisResult  # noqa: PLC0415 - loaded by now

    return AnalysisResult((), runs[-1].findings)
