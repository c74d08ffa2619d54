"""Records threads, cgroup PIDs, memory maps and RSS of a training process at labelled checkpoints.

The only package of foldwatch that is imported into a training. Importing it loads the standard
library alone and starts nothing; ``telemetry.keras`` is loaded when it is first asked for.
"""

from typing import Any

from telemetry.difference import Difference, difference
from telemetry.reading import GpuUsage, Limit, LimitState, Reading, Usage
from telemetry.training import checkpoint, fold, stage, start

__all__ = [
    "Difference",
    "GpuUsage",
    "Limit",
    "LimitState",
    "Reading",
    "Usage",
    "checkpoint",
    "difference",
    "fold",
    "stage",
    "start",
]


def __getattr__(name: str) -> Any:
    if name == "keras":
        import telemetry.keras  # noqa: PLC0415 - so that only a Keras training loads Keras

        return telemetry.keras
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
