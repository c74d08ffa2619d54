"""The shipped files of Grafana, read."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.support.paths import GRAFANA

NAMES = ("training-run-live", "folds-compared")


def board(name: str) -> dict[str, Any]:
    """Read the dashboard ``name``."""
    with open(os.path.join(GRAFANA, "dashboards", f"{name}.json"), encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


def files(folder: str) -> set[str]:
    """Give the paths of all files below ``folder``, relative to it."""
    return {
        os.path.relpath(os.path.join(path, name), folder)
        for path, _, names in os.walk(folder)
        for name in names
    }
