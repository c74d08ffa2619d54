"""Reads ``[THREADS]`` logs and journals, says what grows per fold and which limit ended the run.

In a notebook: ``analysis = analyzer.analyze(["run.log"])`` is shown as a page; ``checkpoints()`` and
``growth()`` are pandas frames, ``figure()`` is a matplotlib figure. Everything loads when asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyzer.api import Analysis, analyze
    from analyzer.comparison import Comparison, compare
    from analyzer.result import Finding

__all__ = ["Analysis", "Comparison", "Finding", "analyze", "compare"]

_MODULE_OF = {
    "Analysis": "analyzer.api",
    "Finding": "analyzer.result",
    "analyze": "analyzer.api",
    "Comparison": "analyzer.comparison",
    "compare": "analyzer.comparison",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
