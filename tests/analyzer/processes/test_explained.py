"""What a second look left in a run, beside its growth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.processes.explained import read_explained
from tests.support.builders import header, reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

LINES: list[dict[str, Any]] = [
    {"function": "log", "line": "/x/train.py:9", "library": None, "bytes": 4, "share": 0.04},
    {"function": "fit", "line": "/x/train.py:212", "library": "numpy", "bytes": 96, "share": 0.96},
]


def explained(run: Path, fold: int, content: object) -> None:
    place = run / "explained" / f"fold-{fold}"
    place.mkdir(parents=True)
    (place / "explained.json").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )


def test_growing_memory_has_the_lines_that_allocated_it(tmp_path: Path) -> None:
    """Of the last fold that was explained; and nothing is said of what does not grow."""
    records: list[Any] = [header()]
    records += [
        reading(number, stage="AFTER CLEANUP", folds=5, rss_bytes=number << 28)
        for number in range(1, 6)
    ]
    write_journal(tmp_path, *records)
    explained(tmp_path, 2, {"held": []})
    explained(tmp_path, 4, {"held": LINES})
    explained(tmp_path, 9, {"held": LINES[:1]})
    (finding,) = analyze(tmp_path).findings
    found = finding.growth["rss_bytes"].grown
    assert [(part.kind, part.function, part.library, part.share) for part in found] == [
        ("allocation", "fit", "numpy", 0.96),
        ("allocation", "log", None, 0.04),
    ]
    assert finding.growth["threads"].grown == ()


@pytest.mark.parametrize(
    "content",
    [
        *("", "[" * 100_000, "{}", '{"held": 5}', '{"held": [5]}', '{"held": [{"function": "f"}]}'),
        json.dumps({"held": [{**LINES[0], "bytes": -1}]}),
        json.dumps({"held": [{**LINES[0], "share": 1e400}]}),
        json.dumps({"held": [{**LINES[0], "line": ["x"]}]}),
    ],
)
def test_what_nobody_here_wrote_counts_as_none(tmp_path: Path, content: str) -> None:
    """It costs no verdict."""
    explained(tmp_path, 1, content)
    assert read_explained(str(tmp_path / "journal.jsonl"), [1]) == ()


def test_a_fold_s_journal_has_the_look_at_its_run(tmp_path: Path) -> None:
    """And a log, which is no journal, has none."""
    explained(tmp_path, 2, {"held": LINES})
    journal = tmp_path / "fold-2" / "journal.jsonl"
    assert [one.bytes for one in read_explained(str(journal), [2])] == [96, 4]
    assert read_explained(str(journal), [1]) == ()
    assert read_explained(str(tmp_path / "train.log"), [2]) == ()
