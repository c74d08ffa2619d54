"""A gate fails on what is known to be too much, and on nothing else; CI systems can read what it writes."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import yaml

from analyzer.gate.budget import Budget, parse_budget
from analyzer.gate.checks import Check, CheckOutcome
from analyzer.gate.junit import as_junit
from analyzer.gate.markdown import escaped
from telemetry.errors import InputError
from tests.support.paths import INCIDENT, RELEASED, RETAINED, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

    Foldwatch = Callable[..., CommandOutcome]

LINE = "[THREADS] Fold 1/1 epoch {}/40: proc=36, cgroup=506/7680, maps={}/65530, rss={}MB\n"
CHANCE = random.Random(7)
STEADY: dict[str, Callable[[int], float]] = {
    "a saw-tooth": lambda epoch: 1200 + 12 * (epoch % 5),
    "a plateau": lambda epoch: 1200 + 80 * (1 - math.exp(-epoch / 2)),
    "noise": lambda _: 1200 + CHANCE.gauss(0, 15),
    "one step": lambda epoch: 1200 + 90 * (epoch > 3),
    "a fall": lambda epoch: 1500 - epoch,
}


def log(path: Path, levels: Iterable[float]) -> str:
    """Write a log with an epoch for each level of RSS in MB."""
    path.write_text(
        "".join(LINE.format(epoch, 1850, round(rss)) for epoch, rss in enumerate(levels, 1))
    )
    return str(path)


@pytest.mark.parametrize("shape", STEADY)
@pytest.mark.parametrize("extra", [(), ("--fail-on", "slow")])
def test_what_does_not_grow_keeps_to_any_budget(
    shape: str, extra: tuple[str, ...], foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """However steep a part of it is."""
    path = log(tmp_path / "a.log", map(STEADY[shape], range(1, 41)))
    outcome = foldwatch("analyze", path, "--budget", "rss=0/epoch", "--json", *extra)
    assert outcome.code == 0, outcome.out
    checks = {one["name"]: one["outcome"] for one in json.loads(outcome.out)["checks"]}
    assert checks["budget: rss at most 0 an epoch"] == "passed"


@pytest.mark.parametrize(("budget", "code"), [("0.5MB", 3), ("1.5MB", 0), ("600kB", 3)])
def test_a_megabyte_an_epoch_is_held_to_its_budget(
    budget: str, code: int, foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """It is slow growth, which fails no run without one."""
    path = log(tmp_path / "a.log", (1200 + epoch for epoch in range(1, 41)))
    assert foldwatch("analyze", path).code == 0
    outcome = foldwatch("analyze", path, "--budget", f"rss={budget}/epoch")
    assert outcome.code == code, outcome.out
    assert foldwatch("analyze", path, "--fail-on", "slow").code == 3


def test_growth_within_its_budget_fails_nothing(foldwatch: Foldwatch) -> None:
    """The verdict on it is `growing`; on another resource it still counts."""
    generous = ("--budget", "rss=2GB/fold", "--budget", "threads=20/fold")
    assert foldwatch("analyze", RETAINED).code == 3
    assert foldwatch("analyze", RETAINED, *generous).code == 3  # the cgroup's PIDs grow too
    assert foldwatch("analyze", RETAINED, *generous, "--budget", "cgroup_pids=20/fold").code == 0


def test_what_was_asked_for_and_cannot_be_told_is_said(foldwatch: Foldwatch) -> None:
    """It passes, unless a verdict is required."""
    asked = ("analyze", RELEASED, "--budget", "fds=0/epoch")
    outcome = foldwatch(*asked)
    assert outcome.code == 0
    assert "unknown budget: open_fds at most 0 an epoch: no epoch is judged" in outcome.out
    assert foldwatch(*asked, "--require-verdict").code == 2


def test_a_baseline_that_did_better_fails_the_run(foldwatch: Foldwatch) -> None:
    """And one that did worse, or the run itself, does not."""
    assert foldwatch("analyze", RELEASED, "--baseline", RETAINED).code == 0
    assert foldwatch("analyze", RELEASED, "--baseline", RELEASED).code == 0
    budgets = [
        word
        for one in ("rss=2GB", "threads=20", "cgroup_pids=20")
        for word in ("--budget", f"{one}/fold")
    ]
    outcome = foldwatch("analyze", RETAINED, "--baseline", RELEASED, *budgets)
    assert outcome.code == 3
    assert "failed baseline of threads: worse" in outcome.out


def test_a_crash_fails_whatever_the_budgets(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """The files hold the same checks as the screen; --exit-zero changes the exit code alone."""
    summary, junit = tmp_path / "a.md", tmp_path / "a.xml"
    files = ("--markdown", str(summary), "--junit", str(junit))
    budgets = ("--budget", "rss=2GB/fold", "--budget", "maps=5000/fold")
    assert foldwatch("analyze", INCIDENT, *budgets, *files).code == 3
    assert foldwatch("analyze", INCIDENT, *budgets, *files, "--exit-zero").code == 0
    suite = ET.parse(junit).getroot()[0]  # noqa: S314 - written just now
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert (failed, suite.get("failures")) == (["outcome"], "1")
    text = summary.read_text()
    assert text.startswith("### foldwatch: CRASHED in fold 3 of 3")
    assert "| outcome | **FAIL** |" in text


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("rss=1MB/epoch", Budget("rss_bytes", 2**20, "epoch")),
        (" maps = 50 / fold ", Budget("maps", 50, "fold")),
        ("rss=0/fold", Budget("rss_bytes", 0, "fold")),
        ("fds=0.5/epoch", Budget("open_fds", 0.5, "epoch")),
        ("gpu_memory=1.5GiB/epoch", Budget("gpu_memory_used_bytes", 1.5 * 2**30, "epoch")),
    ],
)
def test_a_budget_is_read(text: str, budget: Budget) -> None:
    """The names are those of --pattern."""
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text",
    ["rss", "rss=1MB", "rss=1/epoch", "maps=1MB/fold", "x=1/fold", "rss=1MB/hour", "rss=1XB/fold", "maps=-1/fold", "maps=nan/fold"],
)  # fmt: skip
def test_a_budget_that_is_none_is_refused_before_anything_is_read(
    text: str, foldwatch: Foldwatch
) -> None:
    """In one line, with what there is."""
    with pytest.raises(InputError):
        parse_budget(text)
    outcome = foldwatch("analyze", "no such file", "--budget", text)
    assert outcome.code == 2
    assert text in outcome.err


def test_what_others_wrote_is_neither_markup_nor_a_mention() -> None:
    """It comes from a log; the document stays one."""
    hostile = "a|b <script> @everyone `x` \x1b[31m \x00 [l](http://x) #1\n## b"
    assert escaped(hostile).count("\n") == 0
    for sign in ("<", "|", "@", "`", "[", "#"):
        at = escaped(hostile).find(sign)
        assert at < 0 or escaped(hostile)[at - 1] == "\\"
    document = as_junit([Check(hostile, CheckOutcome.FAILED, hostile)])
    assert ET.fromstring(document)[0][0].get("name")  # noqa: S314 - written just now


@pytest.mark.slow
def test_the_action_judges_and_shows(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """Its step as GitHub runs it, with this foldwatch in the place of the one that it installs."""
    with open(os.path.join(ROOT, "action.yml"), encoding="utf-8") as file:
        action = yaml.safe_load(file)
    step = action["runs"]["steps"][1]
    assert set(step["env"]) == {"PATHS", "OPTIONS", "JUNIT"}
    program = tmp_path / "foldwatch" / "bin" / "foldwatch"
    program.parent.mkdir(parents=True)
    program.symlink_to(os.path.join(os.path.dirname(sys.executable), "foldwatch"))
    environment = os.environ | {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "PATHS": f"{RETAINED}\n\n",
        "OPTIONS": "--fail-on slow",
        "JUNIT": str(tmp_path / "junit.xml"),
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == foldwatch("analyze", RETAINED).code == 3, done.stderr
    assert (tmp_path / "summary.md").read_text().startswith("### foldwatch: GROWING")
    assert (tmp_path / "junit.xml").exists()
