"""Reads ``[THREADS]`` logs and journals, judges growth per fold and names the limit that ended a run.

In a notebook, ``analysis = analyzer.analyze(["run.log"])`` is shown as a page; ``checkpoints()``,
``growth()`` and ``causes()`` are pandas frames, and ``figure()`` is a matplotlib figure. Everything
loads when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.api import Analysis, analyze, read_journal
    from analyzer.comparison import Change, ChangeOutcome, Comparison, compare
    from analyzer.diagnosis.causes import Cause
    from analyzer.diagnosis.confidence import Confidence
    from analyzer.diagnosis.remedies import Remedy
    from analyzer.growth.verdict import Growth, Verdict
    from analyzer.logs.user_pattern import UserPattern
    from analyzer.processes.from_log import Source
    from analyzer.processes.process import Process
    from analyzer.result import EarlierRun, Finding, OverallVerdict
    from analyzer.signatures.user_table import read_signatures
    from telemetry.errors import InputError, MissingExtraError

_MODULE_OF = {
    "Analysis": "analyzer.api",
    "Cause": "analyzer.diagnosis.causes",
    "Change": "analyzer.comparison",
    "ChangeOutcome": "analyzer.comparison",
    "Comparison": "analyzer.comparison",
    "Confidence": "analyzer.diagnosis.confidence",
    "EarlierRun": "analyzer.result",
    "Finding": "analyzer.result",
    "Growth": "analyzer.growth.verdict",
    "InputError": "telemetry.errors",
    "MissingExtraError": "telemetry.errors",
    "OverallVerdict": "analyzer.result",
    "Process": "analyzer.processes.process",
    "Remedy": "analyzer.diagnosis.remedies",
    "Source": "analyzer.processes.from_log",
    "UserPattern": "analyzer.logs.user_pattern",
    "Verdict": "analyzer.growth.verdict",
    "analyze": "analyzer.api",
    "compare": "analyzer.comparison",
    "read_journal": "analyzer.api",
    "read_signatures": "analyzer.signatures.user_table",
}

__all__ = [
    "Analysis",
    "Cause",
    "Change",
    "ChangeOutcome",
    "Comparison",
    "Confidence",
    "EarlierRun",
    "Finding",
    "Growth",
    "InputError",
    "MissingExtraError",
    "OverallVerdict",
    "Process",
    "Remedy",
    "Source",
    "UserPattern",
    "Verdict",
    "analyze",
    "compare",
    "read_journal",
    "read_signatures",
]

if not TYPE_CHECKING:  # else every name would be there, and Any

    def __getattr__(name: str) -> object:
        if name in _MODULE_OF:
            return getattr(import_module(_MODULE_OF[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
