"""The lnav formats: a real lnav reads ``[THREADS]`` lines and journals as tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.thread_log import parse_line
from tests.conftest import INCIDENT, ROOT, need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMAT = os.path.join(ROOT, "docs", "foldwatch.lnav.json")


@pytest.fixture(name="lnav")
def lnav_command(tmp_path: Path) -> Callable[..., str]:
    """Run lnav with the formats installed into a home of its own."""
    need(shutil.which("lnav"), "lnav, from Debian's package of that name")
    (tmp_path / ".config").mkdir()
    environment = os.environ | {"HOME": str(tmp_path)}

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["lnav", *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout

    run("-i", FORMAT)
    return run


def test_lines_become_a_table(lnav: Callable[..., str], tmp_path: Path) -> None:
    """Every reading of the rebuilt incident, behind a time stamp as loggers write it."""
    with open(INCIDENT, encoding="utf-8") as file:
        lines = [line for line in file if line.startswith("[THREADS]")]
    log = tmp_path / "train.log"
    log.write_text("".join(f"2026-01-14 03:{i:02d}:44.918 {line}" for i, line in enumerate(lines)))
    query = ";select label, threads, cgroup_pids, maps, rss_mb from foldwatch_threads"
    shown = lnav("-n", "-c", query, "-c", ":write-csv-to -", str(log))
    first = parse_line(lines[0])
    assert first.maps is not None
    row = f"{first.label},{first.threads},{first.cgroup.current},{first.maps.current},12"
    header, *rows = shown.split()[0], *shown.splitlines()[1:]
    assert header.startswith("label,threads")
    assert rows[0] == row
    assert len(rows) == len(lines)


def test_a_journal_becomes_a_table(lnav: Callable[..., str], tmp_path: Path) -> None:
    """As `telemetry` writes it."""
    code = (
        "import telemetry; telemetry.start(run_dir='run'); telemetry.checkpoint('Fold 1/2 START')"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT},
        check=True,
        capture_output=True,
    )
    query = ";select kind, label from foldwatch_journal where kind = 'checkpoint'"
    shown = lnav("-n", "-c", query, "-c", ":write-csv-to -", str(tmp_path / "run/journal.jsonl"))
    assert "checkpoint,Fold 1/2 START" in shown.splitlines()
