"""A child that leaks to its own limit under an uninstrumented launcher: growing, an alert before, and the proven cause."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.groups import group_findings
from analyzer.reports.headline import headline, root_cause_line
from tests.support.paths import TESTS
from tests.support.programs import run_foldwatch
from tests.support.requirements import need

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = os.path.join(TESTS, "scripts", "leaking_rank.py")
LIMITS = {"open_fds": ("open_files", 400), "maps": ("max_map_count", 65_530)}


@pytest.mark.slow
@pytest.mark.parametrize("leaks", LIMITS)
def test_a_rank_that_leaks_to_its_limit_is_told_before_and_named_after(
    leaks: str, tmp_path: Path
) -> None:
    """Its launcher uses next to nothing of either limit."""
    limit, most = LIMITS[leaks]
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
        need(int(file.read()) == LIMITS["maps"][1], "the default vm.max_map_count")
    launcher, place = tmp_path / "torchrun", tmp_path / "run"
    launcher.symlink_to(SCRIPT)
    alerts = str(tmp_path / "alerts.json")
    options = (
        *("--checkpoint-pattern", r"(?P<stage>epoch \d+)/", "--output", str(place)),
        *("--alert-command", shlex.join(("tee", "--append", alerts))),
    )
    command = ("--", sys.executable, str(launcher))
    outcome = run_foldwatch(
        "run", *options, *command, environment={"LEAKS": leaks, "ALERTS": alerts}
    )
    assert outcome.code == 1, outcome.err
    alert, failure = (
        outcome.err.index(words)
        for words in (f"foldwatch alert: critical: {limit} is", "fold 1 failed")
    )
    assert alert < failure
    told = re.search(r"full \(.* of [\d,]+\) of torchrun rank 1 pid (\d+)", outcome.err)
    assert told is not None, outcome.err
    found = analyze([str(place)])
    (child,) = (child for finding in found.findings for child in finding.children)
    assert (child.role, child.process.pid) == ("torchrun rank 1", int(told[1]))
    assert child.epochs[leaks].verdict.is_alarming
    assert child.epochs[leaks].limit == most
    name = f"torchrun rank 1 pid {told[1]}"
    parts = group_findings(found)
    assert f"in {name}" in headline(found, parts)
    assert root_cause_line(found, parts).endswith(f" of {name} (certain)")
    with open(place / "fold-1" / "failure.json", encoding="utf-8") as file:
        assert name in json.load(file)["root_cause"]
