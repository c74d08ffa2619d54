"""The numbers that a command leaves in its metrics.json."""

from __future__ import annotations

import json
import math

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.run_layout import LARGEST_BYTES
from trainer.run.warning import warn

NAME_SHOWN = 100
"""Characters."""


def read_metrics(path: str) -> dict[str, float]:
    """Return the numbers in a command's metrics.json, none without one; report anything else in it."""
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(LARGEST_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        return _ignored(path, f"cannot be read: {error}")
    if not isinstance(content, dict):
        return _ignored(path, "not an object of numbers, ignored")
    metrics, others = {}, []
    for name, value in content.items():
        try:
            metrics[typed.text(path, name)] = _metric(name, value)
        except ValueError:
            others.append(name[:NAME_SHOWN])
    if others:
        _ignored(path, f"not numbers, ignored: {', '.join(others)}")
    return metrics


def _metric(name: str, value: object) -> float:
    if type(value) is float and not math.isfinite(value):
        return value  # the summary tells of it
    return typed.finite(name, value)


def _ignored(path: str, reason: str) -> dict[str, float]:
    warn(f"{path}: {reason}")
    return {}
