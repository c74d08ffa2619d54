"""What is told to a tracker, with a stand-in for MLflow; tests/frameworks has the real ones."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import foldwatch
from foldwatch.trackers import numbers
from telemetry.errors import InputError
from tests.support.builders import reading
from tests.support.paths import INCIDENT, RELEASED
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_not_known_is_not_sent() -> None:
    """Absent is no 0; each name has its unit, or counts what it says."""
    found = numbers(reading(threads=3, rss_bytes=2**20, maps=None))
    assert found["foldwatch/threads"] == 3
    assert found["foldwatch/rss_bytes"] == 2**20
    assert "foldwatch/maps" not in found


def test_a_verdict_is_logged_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a crash the cause, with how sure it is; of a run that is well none."""
    logged: list[tuple[str, dict[str, str]]] = []

    def log_batch(run_id: str, *, tags: list[tuple[str, str]]) -> None:
        logged.append((run_id, dict(tags)))

    client = SimpleNamespace(log_batch=log_batch)
    entities = SimpleNamespace(RunTag=lambda name, text: (name, text))
    mlflow: Any = SimpleNamespace(MlflowClient=lambda: client, entities=entities)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    told = foldwatch.log_verdict(INCIDENT, mlflow_run="a")
    assert (told["verdict"], told["outcome"]) == ("crashed", "crashed")
    assert told["cause"]
    assert told["confidence"]
    foldwatch.log_verdict(RELEASED, mlflow_run="b")
    assert logged[0] == ("a", {f"foldwatch.{name}": text for name, text in told.items()})
    assert logged[1][1]["foldwatch.verdict"] == "ok"
    assert "foldwatch.cause" not in logged[1][1]


def test_without_a_run_there_is_nothing_to_log_to() -> None:
    """The message names both ways."""
    with pytest.raises(InputError, match="open one, or name one"):
        foldwatch.log_verdict(RELEASED)


def test_a_training_without_a_tracker_is_told_once_and_goes_on(tmp_path: Path) -> None:
    """At its end."""
    code = (
        "import sys, foldwatch\n"
        "foldwatch.track(sys.argv[1])\n"
        "for epoch in range(3): foldwatch.checkpoint(f'epoch {epoch}')\n"
    )
    done = run_python("-c", code, str(tmp_path))
    assert done.code == 0
    assert done.err.count("no run of MLflow or W&B was open") == 1
