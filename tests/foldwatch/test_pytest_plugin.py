"""The pytest plugin, as pytest runs it: which leaks it finds, what it leaves alone, and what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT, TESTS
from tests.support.programs import CommandOutcome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLEAN = "import sys\ndef test_it():\n    pass\n"
GROWN = {
    "thread": r"threads grow by 1 a repeat, 0 allowed: pool worker-#, inside start_worker\(\)",
    "thread_pool": r"threads grow by 1 a repeat, 0 allowed: pool loader_#, inside start_pool\(\)",
    "mmap": r"maps grow by (20|19\.\d) a repeat, 5 allowed: anonymous r.*, inside map_pages\(\)",
    "bytes": r"rss grows by 3(\.\d)? MB a repeat, 1 MB allowed: inside keep_bytes\(\)",
    "malloc": r"rss grows by 2\.\d MB a repeat, 1 MB allowed: inside take_from_malloc\(\)",
    "descriptor": r"open_fds grow by 1 a repeat, 0 allowed: /dev/null, inside open_file\(\)",
    "socket": r"open_fds grow by 2 a repeat, 0 allowed: socket, inside connect\(\)",
    "child": r"descendants grow by 1 a repeat, 0 allowed: sleep, inside start_child\(\)",
    "cache": r"rss grows by \d(\.\d)? MB a repeat, 1 MB allowed: inside squares\(\)",
    "closure": r"rss grows by \d(\.\d)? MB a repeat, 1 MB allowed: inside subscribe\(\)",
    "fixture": r"open_fds grow by 2 a repeat, 0 allowed: socket, inside connection\(\)",
}
"""By test of leaking_tests.py, what is said of it."""


def run_pytest(folder: Path, *arguments: str) -> CommandOutcome:
    """Run the tests of a folder with the plugin, as it is installed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    return CommandOutcome(done.returncode, done.stdout, done.stderr)


def copy_tests(name: str, folder: Path) -> None:
    """Take a file of tests/scripts as one of the folder's own."""
    shutil.copy(os.path.join(TESTS, "scripts", name), folder / "test_it.py")


def checks_of(folder: Path) -> dict[str, dict[str, str]]:
    """Return the checks of report.json by test and what was asked."""
    with open(folder / "report.json", encoding="utf-8") as file:
        return {one["name"]: one for one in json.load(file)["checks"]}


def test_every_kind_of_leak_is_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how much, what was allowed, and the function inside which it leaks, be it a fixture."""
    # What measures coverage traces every frame, and no call can be followed beside it.
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)
    copy_tests("leaking_tests.py", tmp_path)
    outcome = run_pytest(tmp_path, "--foldwatch-report", "report.json")
    failed = [one for one in checks_of(tmp_path).values() if one["outcome"] == "failed"]
    said = {one["name"].split("::test_")[1].split(":")[0]: one["sentence"] for one in failed}
    assert said.keys() == GROWN.keys()
    for name, words in GROWN.items():
        assert re.fullmatch(rf"{words} \(test_it\.py:\d+\)", said[name])
    assert outcome.code == 1
    assert f"foldwatch: {len(GROWN)} tests repeated, {len(GROWN)} grow\n" in outcome.out
    assert f"{said['socket']} (over 21 repeats)\n" in outcome.out
    assert "FAILED test_it.py::test_socket - Failed: open_fds grow by 2" in outcome.out


STEADY_FAILURES = {
    "test_fails": "AssertionError: as itself",
    "test_fails_later": "AssertionError: the third time",
    "test_fails_in_part": "contains 1 failed subtest",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "loadfile")])
def test_what_does_not_grow_passes_and_what_fails_fails_as_itself(
    workers: tuple[str, ...], tmp_path: Path
) -> None:
    """With fixtures of all scopes, classes of unittest, coroutines, skips; in workers of xdist, whose checks are merged."""
    copy_tests("repeated_tests.py", tmp_path)
    outcome = run_pytest(tmp_path, "--foldwatch-report", "report.json", "-rA", *workers)
    assert "4 failed, 13 passed, 1 skipped, 2 xfailed" in outcome.out, outcome.out
    for name, words in STEADY_FAILURES.items():
        assert f"FAILED test_it.py::{name} - {words}" in outcome.out
    assert "The test did not pass in repeat 3." in outcome.out
    assert outcome.out.count("the module has ended") == 1
    assert "foldwatch: 13 tests repeated, 1 grows, 5 not judged\n" in outcome.out
    checks = checks_of(tmp_path)
    unknown = {name for name, one in checks.items() if one["outcome"] == "unknown"}
    names = ("test_skipped", "test_expected_to_fail", *STEADY_FAILURES)
    assert unknown == {f"test_it.py::{name}" for name in names}
    failed = [name for name, one in checks.items() if one["outcome"] == "failed"]
    assert failed == ["test_it.py::test_expected_to_leak: open_fds at most 0 a repeat"]


def test_a_run_that_does_not_use_it_loads_nothing_of_foldwatch(tmp_path: Path) -> None:
    """A project may have an `analyzer` of its own; only what is asked of the plugin then is refused, in one line."""
    (tmp_path / "analyzer.py").write_text("")
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "import analyzer\n"
        "def test_it():\n"
        "    assert not {'telemetry', 'foldwatch', 'trainer'} & sys.modules.keys()\n"
        "    assert not hasattr(analyzer, '__path__')\n"
    )
    outcome = run_pytest(tmp_path)
    assert outcome.code == 0, outcome.out
    assert "foldwatch:" not in outcome.out
    outcome = run_pytest(tmp_path, "--foldwatch")
    assert outcome.code == 4
    assert outcome.err.startswith("ERROR: foldwatch: the module analyzer that Python finds")
    assert outcome.err.count("\n") < 3


def test_all_tests_are_repeated_if_that_is_asked_for(tmp_path: Path) -> None:
    """One that cannot be repeated passes, and is told apart in the report; its own marks count."""
    (tmp_path / "test_it.py").write_text(
        "import os, pytest\n"
        "runs = []\n"
        "def test_leaks():\n    os.dup(0)\n"
        "def test_once():\n    runs.append(1)\n    assert len(runs) == 1\n"
        "@pytest.mark.foldwatch(repeat=1)\n"
        "def test_left_alone():\n    os.dup(0)\n"
    )
    outcome = run_pytest(tmp_path, "--foldwatch", "--foldwatch-report", "report.md")
    assert "1 failed, 2 passed" in outcome.out, outcome.out
    report = (tmp_path / "report.md").read_text().splitlines()
    assert report[0] == "### foldwatch: 1 test repeated, 1 grows, 1 not judged"
    assert [line.split(" | ")[1] for line in report[4:]] == ["**FAIL**", "-"]
    assert report[5].endswith("| did not pass in repeat 2 |")


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_mark_that_makes_no_sense_is_told_once(workers: tuple[str, ...], tmp_path: Path) -> None:
    """Before the first test runs; a worker of xdist can only let the test fail."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.foldwatch(rss=5)\ndef test_bytes():\n    pass\n"
        "@pytest.mark.foldwatch(5)\ndef test_position():\n    pass\n"
    )
    outcome = run_pytest(tmp_path, *workers)
    words = "test_it.py::test_bytes: @pytest.mark.foldwatch: rss=5: rss needs a unit: 1MB"
    if workers:
        assert outcome.code == 1
        assert words in outcome.out
        assert "2 errors" in outcome.out
    else:
        assert outcome.code == 4
        assert outcome.err.strip() == f"ERROR: {words}"


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Before the tests where that is known, else after them, and the run fails."""
    (tmp_path / "test_it.py").write_text(CLEAN)
    outcome = run_pytest(tmp_path, "--foldwatch-report", "no/such/report.json")
    assert outcome.code == 4
    assert outcome.err.strip() == "ERROR: --foldwatch-report no/such/report.json: no such directory"
    outcome = run_pytest(tmp_path, "--foldwatch-report", ".")
    assert outcome.code == 4
    assert outcome.err.strip() == "ERROR: --foldwatch-report .: a directory; name a file in it"
    outcome = run_pytest(tmp_path, "--foldwatch", "--foldwatch-report", "/proc/report.json")
    assert outcome.code == 4
    assert "1 passed" in outcome.out
    assert "--foldwatch-report /proc/report.json: " in outcome.out


def test_pytest_finds_it() -> None:
    """By its entry point."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        (name,) = tomllib.load(file)["project"]["entry-points"]["pytest11"].values()
    assert hasattr(import_module(name), "pytest_addoption")
