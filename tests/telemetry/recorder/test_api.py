"""The package's own names, and calls that make no sense."""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING, Any

import telemetry
from telemetry.kernel.reader import Reader
from telemetry.recorder.sampler import Sampler

if TYPE_CHECKING:
    import pytest


class Unprintable:
    """Raises when it is written."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_dir_lists_every_public_name() -> None:
    """Also those that are loaded on first use."""
    assert {*telemetry.__all__, "callbacks", "keras", "Reading"} <= set(dir(telemetry))
    assert "import_module" not in dir(telemetry)


def test_no_public_name_turns_into_a_module() -> None:
    """A module of the same name would take its place once something imports it, at first use."""
    for name in 2 * telemetry.__all__:
        assert not isinstance(getattr(telemetry, name), ModuleType), name


def test_a_fold_that_makes_no_sense_is_logged_once_and_raises_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The label is written as it was asked for."""
    lines = io.StringIO()
    sampler = Sampler(reader=Reader(), lines=lines)
    pairs: list[tuple[Any, Any]] = [(1, 1), (5, 3), (0, 3), ("a", None), (Unprintable(), 3)]
    for number, of in pairs:
        with sampler.fold(number, of=of):
            sampler.checkpoint("START")
    labels = [
        line.split(": ")[0].removeprefix("[THREADS] ") for line in lines.getvalue().splitlines()
    ]
    assert labels[:4] == ["Fold 1/1 START", "Fold 5/3 START", "Fold 0/3 START", "Fold a/None START"]
    assert len(labels) == len(pairs)
    warned = [record.getMessage() for record in caplog.records if "fold(" in record.getMessage()]
    assert len(warned) == 1
    assert "fold(5, of=3): these numbers make no sense" in warned[0]
    assert sampler.error_counts["fold"] == 4
