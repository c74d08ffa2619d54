"""The exception that ends a fold, or the process, is in the journal, and goes its way all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.recorder.last_words import MESSAGE_KEPT, describe, is_failure
from tests.support.programs import run_python
from tests.support.requirements import need

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import sys, telemetry
telemetry.start(run_dir=sys.argv[1])
try:
    with telemetry.fold(1, of=2):
        telemetry.checkpoint("START")
        raise ValueError("handled")
except ValueError:
    pass
with telemetry.fold(2, of=2):
    {}["missing"]
"""


def test_it_is_recorded_once_and_goes_on(tmp_path: Path) -> None:
    """One that the script handles, and one that ends it with its own traceback and exit code."""
    outcome = run_python("-c", SCRIPT, str(tmp_path))
    assert outcome.code == 1
    assert outcome.err.endswith("KeyError: 'missing'\n")
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    events = [record for record in records if isinstance(record, Event)]
    assert [(event.name, event.facts.get("exception")) for event in events] == [
        ("raised", "ValueError"),
        ("raised", "KeyError"),
        ("interpreter_ended", None),
    ]
    assert events[1].facts["message"] == "'missing'"
    assert events[1].facts["frame"] == "<string>:10 in <module>"


class MuteError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("x" * 9_999), "x" * MESSAGE_KEPT), (MuteError(), ""), (KeyError(), "")],
)
def test_its_words_are_bounded_and_may_be_absent(error: BaseException, message: str) -> None:
    """Also where its own ``__str__`` raises."""
    assert describe(error) == {"exception": type(error).__name__, "message": message}


def test_an_exit_with_0_is_no_failure() -> None:
    """Nor one without a code; Ctrl-C is an end."""
    assert not is_failure(SystemExit())
    assert not is_failure(SystemExit(0))
    assert is_failure(SystemExit(3))
    assert is_failure(KeyboardInterrupt())


@pytest.mark.slow
def test_an_exception_at_the_limit_of_memory_maps_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no memory left to load or to compile anything; the process ends as it would have without us."""
    for name in (
        "COVERAGE_PROCESS_CONFIG",
        "COVERAGE_PROCESS_START",
    ):  # which needs memory of its own
        monkeypatch.delenv(name, raising=False)
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
        need(int(file.read()) < 200_000, "a limit on memory maps that is met soon")
    code = (
        "import mmap, os, sys, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], lines=open(os.devnull, 'w'))\n"
        "keep = []\n"
        "with telemetry.fold(1, of=2):\n"
        "    telemetry.checkpoint('START')\n"
        "    while True: keep.append(mmap.mmap(-1, 4096))\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert outcome.code == 1, outcome.err
    assert "foldwatch" not in outcome.err
    records = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    events = [record for record in records if record["kind"] == "event"]
    assert [event["name"] for event in events] == ["raised", "interpreter_ended"]
    assert events[0]["exception"] == "OSError"
