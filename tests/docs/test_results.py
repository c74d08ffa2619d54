"""No figure of the results page without a measurement behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import results


@pytest.fixture
def measured() -> dict[str, Any]:
    """Give what was measured."""
    with open(results.RESULTS, encoding="utf-8") as file:
        loaded: dict[str, Any] = json.load(file)
    return loaded


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_the_page_is_what_was_measured(measured: dict[str, Any]) -> None:
    """With the machine and the versions."""
    page = read(results.PAGE)
    assert page == results.page(measured)
    machine = measured["reproduced"][0]["machine"]
    assert f"tensorflow {machine['tensorflow']}" in page
    assert f"kernel {machine['kernel']}" in page


def test_every_scenario_was_measured_and_holds(measured: dict[str, Any]) -> None:
    """A table of failures would be no proof."""
    runs = measured["reproduced"]
    assert {run["scenario"] for run in runs} == {"pids", "maps", "memory", "incident"}
    assert all(run["missing"] == run["left"] == [] for run in runs)
