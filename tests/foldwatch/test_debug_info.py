"""What a bug report needs: the facts, without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import foldwatch
from telemetry.kernel.reader import Reader
from tests.support.programs import run_foldwatch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_versions_limits_and_environment_are_printed_and_secrets_are_masked() -> None:
    """Variables that change nothing for a training stay private."""
    variables = {"OMP_NUM_THREADS": "3", "FOLDWATCH_PASSWORD": "secret-word", "MY_DIARY": "private"}
    outcome = run_foldwatch("debug-info", environment=variables)
    assert outcome.code == 0
    lines = [line.strip() for line in outcome.out.splitlines()]
    assert lines[0].startswith(f"foldwatch {foldwatch.__version__}, Python 3.")
    assert any(line.startswith("max_map_count: ") for line in lines)
    assert "OMP_NUM_THREADS=3" in lines
    assert "FOLDWATCH_PASSWORD=***" in lines
    assert "secret-word" not in outcome.out
    assert "private" not in outcome.out


def test_a_recorded_host_reads_as_the_process_does(tmp_path: Path) -> None:
    """With its maps and limits, as process 42."""
    outcome = run_foldwatch(
        "debug-info", "--pid", str(os.getpid()), "--record", str(tmp_path / "host")
    )
    assert outcome.code == 0
    own, recorded = Reader(), Reader(pid=42, root=str(tmp_path / "host"))
    try:
        assert recorded.read().limits["max_map_count"] == own.read().limits["max_map_count"]
        assert (recorded.read().maps or 0) > 50
    finally:
        own.close()
        recorded.close()
    maps = (tmp_path / "host/proc/42/maps").read_text()
    assert os.path.dirname(os.path.dirname(os.__file__)) not in maps


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """In one line, with exit code 2."""
    (tmp_path / "file").write_text("")
    outcome = run_foldwatch("debug-info", "--record", str(tmp_path / "file/host"))
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert str(tmp_path / "file") in outcome.err


def test_a_process_that_is_gone_is_named() -> None:
    """In one line, with exit code 2."""
    outcome = run_foldwatch("debug-info", "--pid", str(2**22 + 1))
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert str(2**22 + 1) in outcome.err
