"""One bad record, file or run costs itself alone: every field of what others write, with values that are no values."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from analyzer import analyze
from telemetry.daemon.daemon import Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.journal.records import encode
from telemetry.web.state_api import state
from tests.support.builders import reading
from tests.support.hostile import hostile_files, hostile_journals

if TYPE_CHECKING:
    from pathlib import Path


SAMPLE = 300
"""Of the journals and of the other files, another one each time."""


def _check_daemon(one: Daemon) -> None:
    """What a scrape and the page get is whole, and the good run is in it with its last values."""
    board = LiveState(clock=lambda: 1003.0)
    board.publish(one.snapshots, one.histories())
    text = board.exposition.text(is_open_metrics=True).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    threads = {s.labels["run"]: s.value for s in families["foldwatch_threads"].samples}
    assert threads["good"] == 41
    for snapshot in one.snapshots[::50]:
        json.dumps(state(board, snapshot.key), allow_nan=False)


def _is_read(one: Daemon, runs: int) -> bool:
    """Whether every run is shown, and of the good one its reading: a round reads for half a second."""
    good = [snapshot for snapshot in one.snapshots if snapshot.run == "good"]
    is_good_read = any(fold.latest for snapshot in good for fold in snapshot.folds)
    return is_good_read and len({snapshot.run for snapshot in one.snapshots}) == runs


@pytest.mark.slow
def test_no_value_in_any_field_costs_another_run(tmp_path: Path) -> None:
    """Runs with one broken field each, beside a good one: in the daemon and in the analyzer; all fields in `make soak`."""
    for number, (_, journal) in enumerate(random.sample([*hostile_journals()], SAMPLE)):
        (tmp_path / f"r{number}").mkdir()
        (tmp_path / f"r{number}/journal.jsonl").write_bytes(journal)
    for number, (_, path, text) in enumerate(random.sample([*hostile_files()], SAMPLE)):
        target = tmp_path / f"f{number}" / path
        target.parent.mkdir(parents=True)
        target.write_text(text)
        (tmp_path / f"f{number}/journal.jsonl").write_bytes(encode(reading(1, threads=5)))
    good = tmp_path / "good"
    good.mkdir()
    (good / "journal.jsonl").write_bytes(encode(reading(1, time=1002.0, threads=41)))
    one = Daemon(str(tmp_path), judge=lambda _: (), clock=lambda: 1003.0)
    runs = len([*tmp_path.iterdir()])
    while not _is_read(one, runs):
        one.collect()
    _check_daemon(one)
    findings = analyze(tmp_path).findings
    assert any("good" in finding.process.source for finding in findings)
