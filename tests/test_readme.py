"""The README cannot lie: its code runs, its commands and pictures exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from telemetry.thread_log import parse_line
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Outcome

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
    README = file.read()


def test_the_code_runs_as_it_stands(tmp_path: Path) -> None:
    """In an empty folder, and prints the lines that it promises."""
    code, notebook = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code.replace("9464", "0")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=True,
    )
    labels = [parse_line(line).label for line in done.stdout.splitlines()]
    assert labels == ["Fold 1/3 START", "Fold 1/3 after fit"]
    assert os.path.exists(tmp_path / "runs/a/journal.jsonl")
    (tmp_path / "run.log").write_text(done.stdout, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", notebook],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT},
        check=True,
    )


def test_every_option_named_exists(foldwatch: Callable[..., Outcome]) -> None:
    """In the help of its command."""
    for command, text in re.findall(
        r"^\| `foldwatch (\w+)[^`]*` \| (.*) \|$", README, re.MULTILINE
    ):
        shown = foldwatch(command, "--help", COLUMNS="200").out
        for option in re.findall(r"--[a-z-]+", text):
            assert option in shown, (command, option)


def test_pictures_are_there() -> None:
    """Every file that the page shows."""
    for path in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert os.path.exists(os.path.join(ROOT, path))


def test_the_commands_are_the_makefile_s() -> None:
    """Make demo and make test."""
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        makefile = file.read()
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
