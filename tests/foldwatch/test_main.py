"""The command line: exit codes, one-line errors, JSON, plots."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer.main

from foldwatch import main
from foldwatch.main import COMMANDS, command_module
from tests.support.builders import header, reading, write_journal
from tests.support.paths import INCIDENT, RELEASED, RETAINED, ROOT
from tests.support.programs import run_foldwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

    Foldwatch = Callable[..., CommandOutcome]


def test_a_command_is_summed_up_in_its_own_words() -> None:
    """What ``--help`` lists without loading a command is the first line of the command's own help."""
    for name, summary in COMMANDS.items():
        command = typer.main.get_group(command_module(name).app).commands[name]
        assert " ".join(str(command.help).split("\n\n")[0].split()) == summary


def test_help_loads_no_command() -> None:
    """So that it is there at once; nor does completion of a command's name."""
    code = "import sys; from foldwatch.main import main; main(['--help']); print([m for m in sys.modules if m.startswith('foldwatch.commands')])"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_shell_completes() -> None:
    """Names of commands and of their options."""
    for words, at, completed in (
        ("foldwatch an", "1", ["analyze"]),
        ("foldwatch train --iso", "2", ["--isolation"]),
    ):
        asked = {"_FOLDWATCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": at}
        assert run_foldwatch(environment=asked).out.split() == completed


def test_the_incident_as_json(foldwatch: Foldwatch) -> None:
    """The schema that others rely on; JSON alone on standard output."""
    outcome = foldwatch("analyze", INCIDENT, "--json")
    assert (outcome.code, outcome.err) == (3, "")
    content = json.loads(outcome.out)
    assert (content["schema"], content["verdict"]) == (1, "crashed")
    assert content["sources"] == [
        {
            "path": INCIDENT,
            "earlier": [],
            "lines": 63,
            "samples": 45,
            "samples_left_out": 0,
            "labels_merged": False,
            "formats": [],
            "skipped": [],
            "more_skipped": 0,
        }
    ]
    (process,) = content["processes"]
    assert (process["pid"], process["folds"], process["folds_planned"]) == (None, [1, 2, 3], 3)
    maps = process["resources"]["maps"]
    assert set(maps) == {
        *("verdict", "unit", "per_fold", "per_fold_low", "per_fold_high", "first", "last", "peak"),
        *("limit", "folds_to_limit", "reason", "nature", "nature_reason", "growth_of"),
    }
    assert (maps["per_fold"], maps["first"], maps["last"], maps["limit"]) == (730, 39, 3920, 65530)
    assert maps["folds_to_limit"] == pytest.approx((65530 - 3920) / 730)
    assert process["crash"] == {
        "signature": "tensorflow_pthread_create",
        "line": 62,
        "text": "2026-01-14 03:12:44.918273: F tensorflow/tsl/platform/default/env.cc:74] Check"
        " failed: ret == 0 (11 vs. 0)Thread tf_ creation via pthread_create() failed.",
        "thread": "tf_",
        "errno": 11,
        "signal": "SIGABRT",
        "last_label": "Fold 3/3 after Stage 1 fit",
        "seconds_after_last_sample": None,
    }
    assert {cause["standing"] for cause in process["causes"]} == {"possible", "unlikely"}
    assert (content["outcome"], process["outcome"]) == ("crashed", "crashed")
    assert process["ending"] == {
        "outcome": "crashed",
        "reason": process["crash"]["text"],
        "line": process["crash"]["line"],
    }


def test_exit_codes(foldwatch: Foldwatch) -> None:
    """0 for nothing found, 3 for growth, and --exit-zero turns 3 off."""
    assert foldwatch("analyze", RELEASED).code == 0
    grown = foldwatch("analyze", RETAINED)
    assert grown.code == 3
    assert grown.out.startswith("GROWING: threads +8")
    assert grown.out.splitlines()[-1] == "root cause: folds keep threads, cgroup_pids, rss"
    assert foldwatch("analyze", RETAINED, "--exit-zero").code == 0


def test_standard_input(foldwatch: Foldwatch) -> None:
    """A log through a pipe."""
    with open(RETAINED, "rb") as file:
        outcome = foldwatch("analyze", "-", "--json", stdin=file.read())
    assert outcome.code == 3
    assert json.loads(outcome.out)["sources"][0]["path"] == "<standard input>"


def test_a_log_without_samples_says_so(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """Nothing was found, and that is not the same as all is well."""
    (tmp_path / "a.log").write_text("Epoch 1/3\n")
    outcome = foldwatch("analyze", str(tmp_path / "a.log"))
    assert outcome.code == 0
    assert outcome.out.startswith("NOTHING TO JUDGE")
    assert "growth cannot be judged" in outcome.err


def test_a_report_fits_80_columns(foldwatch: Foldwatch) -> None:
    """The crash, its candidates and the verdict."""
    outcome = foldwatch("analyze", INCIDENT, COLUMNS="80")
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "growing" in outcome.out
    assert "possible, with nothing for or against" in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_plot_is_written(foldwatch: Foldwatch, tmp_path: Path, suffix: str) -> None:
    """In the format that its name says, and nothing beside it."""
    path = tmp_path / f"plot.{suffix}"
    assert foldwatch("analyze", INCIDENT, "--plot", str(path)).code == 3
    content = path.read_bytes()
    if suffix == "png":
        assert content.startswith(b"\x89PNG")
        assert struct.unpack(">II", content[16:24]) == (1800, 1380)
    assert len(content) > 10_000
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--output", INCIDENT, "--", "true"], "a file; name a directory for the run"),
        (["analyze", "/nowhere/x.log"], "/nowhere/x.log: no such file or directory"),
        (["analyze", RELEASED, "--plot", "/nowhere/x.png"], "/nowhere: no such directory"),
        (["analyze", RELEASED, "--plot", "/proc/x.png"], "/proc"),
        (["analyze", RELEASED, "--plot", "/tmp/x.bmp"], "is written as .png, .svg or .pdf"),
        (["analyze", RELEASED, "--plot", "/tmp"], "/tmp: a directory"),
        (["analyze", RELEASED, "--html", "/nowhere/x.html"], "/nowhere: no such directory"),
        (["analyze", RELEASED, "--compare", "/nowhere/x.log"], "/nowhere/x.log: no such file"),
        (["analyze", "-", "--compare", "-"], "standard input can be read once"),
        (["export", RELEASED], "--openmetrics"),
        (["export", RELEASED, "--openmetrics", "/tmp/x.om"], "a text log has no times; say when"),
        (["export", RELEASED, "--openmetrics", "/nowhere/x.om"], "/nowhere: no such directory"),
        (["export", RELEASED, "--openmetrics", "/tmp/x.om", "--start", "noon"], "--start noon:"),
        (["export", RELEASED, "--openmetrics", "/tmp/x.om", "--step", "0"], "--step 0: at least"),
        (["analyze"], "Missing argument"),
        (["analyze", "--nonsense"], "--nonsense"),
        (["limits", "--pid", "4194305"], "no process 4194305"),
        (["train", "--folds", "1"], "--folds 1: cross-validation needs 2 folds or more"),
        (["train", "--fold", "9"], "--fold 9: there are folds 1 to 3"),
        (["train", "--fold", "0"], "--fold 0: there are folds 1 to 3"),
        (["train", "--epochs", "0"], "--epochs 0: at least 1"),
        (["train", "--folds", "x"], "--folds"),
        (["train", "--resume-mode", "x"], "--resume-mode"),
        (["train", "--output", "/proc/x"], "/proc/x: cannot be written"),
        (["train", "--output", "/dev/null/x"], "/dev/null/x: cannot be written"),
        *(
            (["run", "--timeout", most, "--", "true"], "--timeout")
            for most in ("inf", "1e308", "nan")
        ),
        (["train", "--timeout", "inf"], "--timeout"),
        (
            ["run", "--checkpoint-pattern", "a\udcff", "--", "true"],
            "--checkpoint-pattern 'a\\udcff': not",
        ),
        (["analyze", RELEASED, "--pattern", "a\udcff"], "--pattern 'a\\udcff': not UTF-8"),
        (
            ["analyze", RELEASED, "--signatures", "/dev/zero"],
            "/dev/zero: more than 1,048,576 bytes",
        ),
        (["reproduce"], "Missing argument"),
        (["reproduce", "nonsense"], "nonsense"),
        (["reproduce", "maps", "--output", "/proc/x"], "/proc/x: cannot be written"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What, where, and no traceback; nothing on standard output."""
    code = main.main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("foldwatch: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "{tmp}/a.log", "--html", "{tmp}/a.log"],
        ["analyze", "{tmp}/a.log", "--html", "{tmp}/linked.html"],
        ["analyze", "{tmp}/linked.html", "--html", "{tmp}/hard.svg"],
        ["analyze", "{tmp}/a.log", "--plot", "{tmp}/hard.svg"],
        ["analyze", "{tmp}", "--html", "{tmp}/a.log"],
        ["analyze", RELEASED, "--compare", "{tmp}/a.log", "--html", "{tmp}/a.log"],
        ["analyze", RELEASED, "--signatures", "{tmp}/a.log", "--html", "{tmp}/a.log"],
        ["export", "{tmp}", "--openmetrics", "{tmp}/journal.jsonl"],
        ["export", "{tmp}", "--openmetrics", "{tmp}/a.log", "--start", "2026-01-31"],
    ],
)
def test_no_report_is_written_over_what_it_is_of(
    foldwatch: Foldwatch, tmp_path: Path, arguments: list[str]
) -> None:
    """By whatever name or link it is given."""
    log = tmp_path / "a.log"
    shutil.copyfile(RETAINED, log)
    write_journal(tmp_path, header("trainer-1"), reading(1, 1_768_352_400.0))
    (tmp_path / "linked.html").symlink_to(log)
    (tmp_path / "hard.svg").hardlink_to(log)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcome = foldwatch(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "one of the files to read" in outcome.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_may_replace_an_earlier_one_beside_its_input(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """As it does each time that it is made again."""
    shutil.copyfile(RETAINED, tmp_path / "a.log")
    for _ in range(2):
        page = str(tmp_path / "a.html")
        assert foldwatch("analyze", str(tmp_path), "--html", page).code == 3


def test_bad_usage_is_exit_2_of_the_process_too(foldwatch: Foldwatch) -> None:
    """As the one line and nothing else."""
    outcome = foldwatch("nonsense")
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("columns", [40, 60, 78])
def test_a_narrow_terminal_gets_every_number(foldwatch: Foldwatch, columns: int) -> None:
    """Lines in place of a table that would cut them off."""
    outcome = foldwatch("analyze", INCIDENT, COLUMNS=str(columns))
    text = " ".join(outcome.out.split())
    for number in ("3,920", "65,530", "+730", "2,820 MB", "growing", "stable", "CRASHED"):
        assert number in text
    shown = foldwatch("limits", COLUMNS=str(columns)).out
    assert "65,530" in shown
    assert max(map(len, outcome.out.splitlines())) <= columns


@pytest.mark.parametrize(
    "command", ["analyze {} | true", "limits | true", "analyze {} --json | true"]
)
def test_a_closed_pipe_changes_no_exit_code(command: str) -> None:
    """Nobody reads it; what was found was found."""
    text = f"{sys.executable} -m foldwatch {command.format(RETAINED)}; echo ${{PIPESTATUS[0]}} >&2"
    done = subprocess.run(
        ["bash", "-c", text], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ("0\n" if command.startswith("limits") else "3\n")


@pytest.mark.parametrize(
    "command", [["limits"], ["analyze", RETAINED], ["analyze", RETAINED, "--json"]]
)
def test_a_full_disk_under_standard_output_is_one_line(command: list[str]) -> None:
    """It says what is full; nobody takes it for an analysis that found nothing."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "foldwatch", *command],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr.startswith("foldwatch: standard output: No space left on device; make room")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 2


@pytest.mark.slow
def test_a_failed_start_of_a_run_changes_nothing(tmp_path: Path) -> None:
    """A port in use is found before earlier results are moved aside."""
    (tmp_path / "fold-1").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        outcome = run_foldwatch("train", "--output", str(tmp_path), "--port", port)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert (tmp_path / "fold-1").exists()


def test_limits_says_who_holds_each_that_is_shared(foldwatch: Foldwatch) -> None:
    """The same in both forms; what to do only where one is near."""
    outcome = foldwatch("limits", "--who", "--json")
    found = {one["limit"]: one for one in json.loads(outcome.out)["holders"]}
    assert {"host_memory", "open_files"} <= found.keys()
    assert not {"threads_max", "pid_max"} <= found.keys()  # both count the same tasks
    for name, one in found.items():
        assert one["sentence"].startswith(f"{name} ")
        assert (one["advice"] is None) == (one["used"] <= 0.8 * one["most"])
    assert any(holder["kind"] == "run" for holder in found["host_memory"]["top"])
    text = foldwatch("limits", "--who", COLUMNS="1000").out
    assert all(f"\n{name} " in text for name in found)
    assert "holders" not in json.loads(foldwatch("limits", "--json").out)


def test_limits_for_people(foldwatch: Foldwatch) -> None:
    """Every ceiling, its source, and the one that binds."""
    outcome = foldwatch("limits")
    assert outcome.code == 0
    for name in ("pids_cgroup", "nproc", "threads_max", "pid_max", "max_map_count", "open_files"):
        assert name in outcome.out
    assert "/proc/sys/vm/max_map_count" in outcome.out
    assert " binds: " in outcome.out.splitlines()[-1]


def test_limits_of_a_process_at_its_data_size(foldwatch: Foldwatch) -> None:
    """A row of its own, in MB, which binds."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.scripts.full_data_size"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as full:
        assert full.stdout is not None
        assert full.stdout.readline() == "full\n"
        outcome = foldwatch("limits", "--pid", str(full.pid), COLUMNS="100")
        full.communicate("\n")
    assert re.search(r"data_size ◀ binds +\d+ MB +\d+ MB +\d+ MB", outcome.out), outcome
    assert f"data_size: this process, /proc/{full.pid}/limits" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("data_size binds: ")


def test_help_is_quick_to_reach(foldwatch: Foldwatch) -> None:
    """Every command is listed; nothing heavy is loaded for it."""
    outcome = foldwatch("--help")
    assert outcome.code == 0
    for command in ("train", "analyze", "limits"):
        assert command in outcome.out


def test_ctrl_c_that_a_library_made_another_error_of_is_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Python's own class creation does of one in __set_name__; any other error stays one."""

    def raising(cause: BaseException) -> None:
        raise RuntimeError("Error calling __set_name__") from cause

    monkeypatch.setattr(main, "_run", lambda _: raising(KeyboardInterrupt()))
    assert main.main([]) == 130
    assert capsys.readouterr().err == "foldwatch: interrupted\n"
    monkeypatch.setattr(main, "_run", lambda _: raising(ValueError()))
    with pytest.raises(RuntimeError, match="__set_name__"):
        main.main([])
