"""What a recording says on standard error: where it is, and at the end how to judge it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path

LOUD = {"FOLDWATCH_QUIET": ""}


def lines(code: str, **environment: str) -> list[str]:
    """Run a training and return its lines on standard error."""
    outcome = run_python("-c", f"import telemetry, sys\n{code}", environment=LOUD | environment)
    assert outcome.code == 0, outcome.err
    return outcome.err.splitlines()


def test_it_says_where_and_at_the_end_how_to_judge_it(tmp_path: Path) -> None:
    """The journal, the port that it got, and the command to copy."""
    first, last = lines(f"telemetry.start(run_dir={str(tmp_path / 'a run')!r}, port=0)")
    assert first.startswith(
        f"foldwatch: recording in {tmp_path}/a run/journal.jsonl; metrics at http://127.0.0.1:"
    )
    assert not first.endswith(":0/metrics")
    assert last.endswith(f": foldwatch analyze '{tmp_path}/a run'")


@pytest.mark.parametrize(
    ("start", "environment"),
    [
        ("telemetry.start(run_dir=sys.argv[0] + 'run', quiet=True)", {}),
        ("telemetry.start(run_dir=sys.argv[0] + 'run')", {"FOLDWATCH_QUIET": "1"}),
        ("telemetry.start(run_dir=sys.argv[0] + 'run')", {"FOLDWATCH_SUPERVISED": "1"}),
        ("telemetry.start(run_dir=sys.argv[0] + 'run')", {"RANK": "3", "WORLD_SIZE": "4"}),
        ("telemetry.start()", {}),
        ("telemetry.checkpoint('a')", {}),
    ],
)
def test_it_is_silent(start: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Where that is asked for, below a runner, of all ranks but the first, and where nothing is kept."""
    place = f"sys.argv[0] = {str(tmp_path) + '/'!r}\n"
    assert lines(place + start, **environment) == []


def test_the_first_rank_speaks_for_all(tmp_path: Path) -> None:
    """64 ranks would say it 64 times."""
    code = f"telemetry.start(run_dir={str(tmp_path)!r})"
    assert len(lines(code, RANK="0", WORLD_SIZE="4")) == 2


def test_a_child_that_was_forked_says_nothing_at_its_end(tmp_path: Path) -> None:
    """Its parent does."""
    code = (
        f"import os\ntelemetry.start(run_dir={str(tmp_path)!r})\nchild = os.fork()\n"
        "if child: os.waitpid(child, 0)\nelse: sys.exit()"
    )
    assert len(lines(code)) == 2


def test_a_closed_standard_error_costs_the_lines(tmp_path: Path) -> None:
    """And nothing else."""
    code = f"sys.stderr = None\ntelemetry.start(run_dir={str(tmp_path)!r})"
    assert lines(code) == []
    assert (tmp_path / "journal.jsonl").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """With what to do, and the training goes on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told, *_ = lines(f"telemetry.start(run_dir={str(tmp_path)!r}, port={port})")
    assert f"port {port} of 127.0.0.1: Address already in use; name another, or 0" in told
