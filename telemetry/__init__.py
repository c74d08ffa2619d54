"""Records threads, cgroup PIDs, memory maps and RSS of a training process at labelled checkpoints.

The only package of foldwatch that is imported into a training. Importing it loads a little of the
standard library and starts nothing; the types, ``telemetry.callbacks`` and ``telemetry.keras`` are loaded on first use.
These two are in `dir` but not in ``__all__``: a star import would load TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from telemetry.recorder.api import checkpoint, event, fold, settle, stage, start

if TYPE_CHECKING:
    from telemetry import callbacks as callbacks
    from telemetry import keras as keras
    from telemetry.reading import ChildUsage, GpuUsage, Limit, LimitState, Reading, Usage
    from telemetry.reading_difference import Difference, difference

__all__ = [
    "ChildUsage",
    "Difference",
    "GpuUsage",
    "Limit",
    "LimitState",
    "Reading",
    "Usage",
    "checkpoint",
    "difference",
    "event",
    "fold",
    "settle",
    "stage",
    "start",
]

_MODULE_OF = {
    "ChildUsage": "telemetry.reading",
    "Difference": "telemetry.reading_difference",
    "difference": "telemetry.reading_difference",
    "GpuUsage": "telemetry.reading",
    "Limit": "telemetry.reading",
    "LimitState": "telemetry.reading",
    "Reading": "telemetry.reading",
    "Usage": "telemetry.reading",
}

if not TYPE_CHECKING:  # else every name would be there, and Any

    def __getattr__(name: str) -> object:
        if name in {"callbacks", "keras"}:
            return import_module(f"telemetry.{name}")
        if name in _MODULE_OF:
            return getattr(import_module(_MODULE_OF[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(
            {*__all__, "callbacks", "keras", *(name for name in globals() if name.startswith("__"))}
        )
