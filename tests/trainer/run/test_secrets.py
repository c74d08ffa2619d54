"""A secret of a command line is in no file that foldwatch writes, and the digest still tells commands apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.paths import ROOT
from trainer.run.config import CommandConfig
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

SECRET = "S3CRETVALUE"  # noqa: S105 - looked for
FORM = f"sk-{SECRET}123"


def _written(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_journal_s_header_holds_no_secret(tmp_path: Path) -> None:
    """As the script was started with it; the rest of the line stays."""
    code = "import telemetry; telemetry.start(run_dir='run'); telemetry.checkpoint('a')"
    (tmp_path / "train.py").write_text(code)
    arguments = [f"--api-key={SECRET}", "--token", SECRET, "--lr", "0.1"]
    subprocess.run(
        [sys.executable, "train.py", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    journal = (tmp_path / "run" / "journal.jsonl").read_text()
    assert SECRET not in journal
    header = json.loads(journal.splitlines()[0])
    assert header["argv"] == ["train.py", "--api-key=***", "--token", "***", "--lr", "0.1"]


def test_a_run_of_a_command_writes_its_secret_nowhere_but_where_the_command_prints_it(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """run.json, failure.json, the summary, the report, standard error."""
    run = tmp_path / "run"
    script = f"echo last words with {FORM} >&2; exit 3"
    command = ["sh", "-c", script, "train", f"--api-key={SECRET}", f"API_KEY={SECRET}", "{fold}"]
    outcome = foldwatch("run", "--folds", "1", "--output", str(run), "--", *command)
    assert outcome.code == 1
    report = foldwatch("analyze", str(run), "--html", str(tmp_path / "report.html"))
    files = _written(tmp_path)
    assert any(path.endswith("failure.json") for path in files)
    assert any(path.endswith("report.html") for path in files)
    for path, content in files.items():
        assert path.endswith("output.log") or SECRET.encode() not in content, path
    own = [line for line in outcome.err.splitlines() if not line.startswith("fold 1 | ")]
    assert SECRET not in "".join(own)
    assert SECRET not in report.out
    words = json.loads(files[str(run / "run.json")])["config"]["command"]
    assert words[3:] == ["train", "--api-key=***", "API_KEY=***", "{fold}"]


def test_commands_that_differ_in_a_secret_are_two(tmp_path: Path) -> None:
    """Their results are not averaged: the digest is of what is run."""
    one, other = (CommandConfig(folds=1, command=("a", "--token", word)) for word in ("x1", "x2"))
    assert one.digest() != other.digest()
    directory = RunDirectory(str(tmp_path))
    directory.create()
    directory.write_config(one)
    assert one.command == ("a", "--token", "x1")
