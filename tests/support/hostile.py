"""Records and files of a run, each field of each with values that are no values.

The fields are those of the types that are read, so that a new one is tried as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from telemetry.journal.records import CHECKS, Event, Header, encode
from telemetry.reading import ChildUsage, GpuUsage, Reading
from tests.support.builders import exited, full_reading, header

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "summary.json": {
        "schema": 1,
        "folds": 3,
        "folds_finished": [1],
        "folds_missing": [2, 3],
        "is_complete": False,
        "metrics": {"score": {"mean": 0.5, "std": 0.0, "folds": 1}},
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


def _records(now: float) -> list[dict[str, Any]]:
    records: list[Record] = [
        header(boot_id="b", pid_namespace=1, argv=("a",), versions={"python": "3"}),
        full_reading("Fold 1/3 START", pid=7, time=now),
        exited(now + 1, cgroup="/", pids_limit_hits=1, oom_kills=0, pids_limit_hits_before=0),
    ]
    return [json.loads(encode(record)) for record in records]


def hostile_journals(now: float = 1001.0) -> Iterator[tuple[str, bytes]]:
    """Give each field of each record with each value: the journal in which that record stands.

    ``now`` is when its reading was taken, in seconds since the epoch.
    """
    records = _records(now)
    gpu: dict[str, Any] = {**dict.fromkeys(CHECKS[GpuUsage], 1), "gpu": "0"}
    one: dict[str, Any] = {**dict.fromkeys(CHECKS[ChildUsage], 1), "role": "r", "limits": {}}
    for place, kind in enumerate((Header, Reading, Event)):
        record = records[place]
        changes: list[tuple[str, dict[str, Any]]] = [
            (name, {name: "@"}) for name in sorted({*CHECKS[kind], *record})
        ]
        changes += [
            (f"{name}.{inner}", {name: record[name] | {inner: "@"}})
            for name in record
            if isinstance(record[name], dict)
            for inner in record[name]
        ]
        if kind is Reading:
            changes += [(f"gpus.{name}", {"gpus": [gpu | {name: "@"}]}) for name in gpu]
            changes += [(f"children.{name}", {"children": [one | {name: "@"}]}) for name in one]
        for name, change in changes:
            for value in HOSTILE:
                lines = [json.dumps(record) for record in records]
                lines[place] = json.dumps(record | change).replace('"@"', value)
                yield f"{kind.__name__}.{name}", "\n".join([*lines, ""]).encode()


def hostile_files() -> Iterator[tuple[str, str, str]]:
    """Give each field of each file with each value: the field, the path in the run, the text."""
    for path, content in FILES.items():
        for name, text in hostile_texts(content):
            yield name, path, text


def hostile_texts(content: dict[str, Any], *, depth: int = 2) -> Iterator[tuple[str, str]]:
    """Give the texts of ``content`` with each value in each field, down to ``depth``, and in place of all."""
    for value in HOSTILE:
        yield "all", value
    for name, inner in content.items():
        for value in HOSTILE:
            yield name, json.dumps(content | {name: "@"}).replace('"@"', value)
        if isinstance(inner, dict) and depth > 1:
            within = hostile_texts(inner, depth=depth - 1)
            for below, text in within:
                if below != "all":
                    yield f"{name}.{below}", json.dumps(content | {name: "@"}).replace('"@"', text)
