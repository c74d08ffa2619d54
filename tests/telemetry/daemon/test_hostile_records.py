"""One bad record, file or run costs itself alone: every field of what others write, with values that are no values.

The fields are those of the types that are read, so that a new one is tried as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from analyzer import analyze
from telemetry.daemon.daemon import Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.journal.records import CHECKS, Event, Header, encode
from telemetry.reading import GpuUsage, Reading
from telemetry.web.state_api import state
from tests.support.builders import exited, full_reading, header, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from telemetry.journal.records import Record

HOSTILE = (
    "null",
    "true",
    '""',
    '"x"',
    '"\\ud800"',
    '"\\u001b[2J"',
    '"nan"',
    json.dumps("x" * 200_000),
    "0",
    "-1",
    "-0.0",
    "0.5",
    "1e308",
    "-1e308",
    "1e999",
    "NaN",
    "Infinity",
    str(2**63),
    str(-(2**64)),
    "1" + "0" * 400,
    "9" * 5000,
    "[]",
    "{}",
    '["x"]',
    '{"a": {"b": []}}',
    "[" * 900 + "]" * 900,
    '{"a":' * 900 + "1" + "}" * 900,
)
FILES: dict[str, dict[str, Any]] = {
    "run.json": {"schema": 1, "run": "r", "config": {"folds": 3, "command": ["a"]}},
    "fold-1/result.json": {
        "schema": 1,
        "fold": 1,
        "folds": 3,
        "config_digest": "a",
        "data_digest": "",
        "metrics": {"score": 0.5},
        "seconds": 9.0,
    },
    "fold-1/failure.json": {
        "schema": 1,
        "fold": 1,
        "outcome": "signal",
        "exit_code": 137,
        "signal": "SIGKILL",
        "reason": "r",
        "root_cause": "c",
        "causes": [],
        "signature": None,
        "stderr_tail": [],
        "processes_left": 0,
        "seconds": 9.0,
    },
}


def _records() -> list[dict[str, Any]]:
    records: list[Record] = [
        header(boot_id="b", pid_namespace=1, argv=("a",), versions={"python": "3"}),
        full_reading("Fold 1/3 START", pid=7, time=1001.0),
        exited(1002.0, cgroup="/", pids_limit_hits=1, oom_kills=0, pids_limit_hits_before=0),
    ]
    return [json.loads(encode(record)) for record in records]


def _mutants() -> Iterator[tuple[str, bytes]]:
    """Give each field of each record with each value: the journal in which that record stands."""
    records = _records()
    gpu: dict[str, Any] = {**dict.fromkeys(CHECKS[GpuUsage], 1), "gpu": "0"}
    for place, kind in enumerate((Header, Reading, Event)):
        changes: list[tuple[str, dict[str, Any]]] = [
            (name, {name: "@"}) for name in sorted({*CHECKS[kind], *records[place]})
        ]
        if kind is Reading:
            changes += [(f"gpus.{name}", {"gpus": [gpu | {name: "@"}]}) for name in gpu]
        for name, change in changes:
            for value in HOSTILE:
                lines = [json.dumps(record) for record in records]
                lines[place] = json.dumps(records[place] | change).replace('"@"', value)
                yield f"{kind.__name__}.{name}", "\n".join([*lines, ""]).encode()


def _file_mutants() -> Iterator[tuple[str, str, str]]:
    for path, content in FILES.items():
        for name in (*content, "config.folds", "metrics.score"):
            outer, _, inner = name.partition(".")
            if outer not in content:
                continue
            changed: Any = content[outer] | {inner: "@"} if inner else "@"
            for value in HOSTILE:
                yield name, path, json.dumps(content | {outer: changed}).replace('"@"', value)
        for value in HOSTILE:
            yield "all", path, value


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
    """Thousands of runs with one broken field each, beside a good one: in the daemon and in the analyzer."""
    for number, (_, journal) in enumerate(_mutants()):
        (tmp_path / f"r{number}").mkdir()
        (tmp_path / f"r{number}/journal.jsonl").write_bytes(journal)
    for number, (_, path, text) in enumerate(_file_mutants()):
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
