"""Processes that match are recorded as they come and go."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from tests.support.trainings import Training, records
from trainer.attach import process_watch
from trainer.attach.process_watch import ProcessWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def names(directory: Path) -> list[str]:
    """Return the names of the runs."""
    return sorted(os.listdir(directory)) if directory.exists() else []


@contextmanager
def watching(expression: str, directory: Path) -> Iterator[ProcessWatch]:
    """Give a watch that ends with the block: a journal that stays open makes this process one that is recorded."""
    watch = ProcessWatch(expression, str(directory))
    try:
        yield watch
    finally:
        stop = threading.Event()
        stop.set()
        watch.run(stop)


def test_what_matches_is_recorded_from_the_next_look_until_its_end(tmp_path: Path) -> None:
    """One that was there before, one that comes later, and none that does not match."""
    own, runs = tmp_path.name, tmp_path / "runs"
    first = Training(tmp_path / "a.log", f"match-{own}")
    other = Training(tmp_path / "c.log", f"other-{own}")
    with watching(f"match-{own}", runs) as watch:
        watch.step()
        second = Training(tmp_path / "b.log", f"match-{own}")
        watch.step()
        watch.step()
        first.exit(0)
        watch.step()
        try:
            ended, runs_on = (records(runs / f"python-c-{one.pid}") for one in (first, second))
            assert len(names(runs)) == 2
        finally:
            second.end()
            other.end()
        assert ended[-1]["name"] == "exited"
        assert [one["kind"] for one in runs_on] == ["header", "event", "sample", "sample"][
            : len(runs_on)
        ]
        assert len(runs_on) >= 3
        watch.step()
        assert records(runs / f"python-c-{second.pid}")[-1]["name"] == "exited"


def test_who_is_recorded_already_is_left_alone(tmp_path: Path) -> None:
    """By itself or by what launched it: its journal is open."""
    with open(tmp_path / "journal.jsonl", "wb") as journal:
        own = Training(
            tmp_path / "b.log", f"recorded-{tmp_path.name}", pass_fds=(journal.fileno(),)
        )
    with watching(f"recorded-{tmp_path.name}", tmp_path / "runs") as watch:
        watch.step()
        own.end()
        assert names(tmp_path / "runs") == []


def test_there_is_a_bound_on_how_many_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, once."""
    monkeypatch.setattr(process_watch, "MOST_PROCESSES", 1)
    many = [Training(tmp_path / f"{number}.log", f"many-{tmp_path.name}") for number in range(3)]
    with watching(f"many-{tmp_path.name}", tmp_path / "runs") as watch:
        watch.step()
        watch.step()
        for one in many:
            one.end()
        assert len(names(tmp_path / "runs")) == 1
    assert capsys.readouterr().err.count("more than 1 processes match") == 1


def test_a_broken_expression_is_named(tmp_path: Path) -> None:
    """Before anything is recorded."""
    with pytest.raises(InputError, match="--watch"):
        ProcessWatch("(", str(tmp_path))
