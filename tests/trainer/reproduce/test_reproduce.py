"""``foldwatch reproduce``: a real crash at a real limit, an alert before it, and nothing left behind.

One scenario runs whole, with a training that is shorter than the reference's; benchmarks/reproduce.py
runs all four as they are, three times each.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from benchmarks.reproduce import left
from foldwatch.commands.options import ReproduceScenario
from telemetry.alerts.alert import Alert, Severity
from telemetry.errors import InputError
from tests.support.paths import RELEASED, ROOT
from tests.support.requirements import need
from tests.support.waiting import wait_until
from trainer.reproduce.report import ScenarioOutcome, missing
from trainer.reproduce.scenarios import SCENARIOS, Enforcement, Reproduced, enforce

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    code: int
    out: str
    err: str
    pid: int
    place: Path


FOLDWATCH = ("foldwatch", "reproduce")
SMALL = ("tests.scripts.small_reproduction",)


def start(
    scenario: str, place: Path, *, command: tuple[str, ...] = FOLDWATCH
) -> subprocess.Popen[str]:
    """Start the command, with a relative path as people give one."""
    return subprocess.Popen(
        [sys.executable, "-m", *command, scenario, "--output", os.path.relpath(place, ROOT)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100", "TMPDIR": temporary_of(place), "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def temporary_of(place: Path) -> str:
    """Return a folder for the temporary files of a run in ``place``."""
    folder = place.with_name(f"{place.name}-temporary")
    folder.mkdir(exist_ok=True)
    return str(folder)


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the scenario once."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    place = tmp_path_factory.mktemp("reproduce")
    with start("pids", place, command=SMALL) as process:
        out, err = process.communicate(timeout=900)
    return Run(process.returncode, out, err, process.pid, place)


@pytest.fixture
def record(reproduced: Run) -> dict[str, Any]:
    """Give what it wrote for programs."""
    loaded: dict[str, Any] = json.loads((reproduced.place / "reproduce.json").read_text())
    return loaded


def test_the_one_process_really_crashes(reproduced: Run, record: dict[str, Any]) -> None:
    """In its last fold, with TensorFlow's own message."""
    assert reproduced.code == 0, reproduced.err
    crash = record["crash"]
    assert (crash["fold"], crash["signal"], crash["exit_code"]) == (3, "SIGABRT", 134)
    assert "creation via pthread_create() failed" in crash["message"]
    output = (reproduced.place / "one-process" / "output.log").read_text()
    assert "Check failed: ret == 0 (11 vs. 0)" in output


def test_an_alert_comes_before_it(record: dict[str, Any]) -> None:
    """Of the ceiling that is met, from the engine of a runner."""
    assert record["alert"]["name"] == "FoldwatchCeilingCritical"
    assert record["alert"]["summary"].startswith("pids_cgroup is 9")
    assert record["alert"]["seconds_before_the_crash"] > 0


def test_the_cause_is_right_and_certain(record: dict[str, Any]) -> None:
    """The kernel's counter says so."""
    assert (record["cause"], record["standing"]) == ("pids_cgroup", "certain")
    assert record["evidence"][0].startswith("pids_limit_hits rose from 0 to ")


def test_the_same_folds_finish_isolated(reproduced: Run, record: dict[str, Any]) -> None:
    """All of them, each leaking as much as before."""
    assert record["isolated"] == {"folds": 3, "finished": [1, 2, 3]}
    assert record["missing"] == []
    resources = record["before_and_after"]["resources"]
    assert resources["threads"]["outcome"] == resources["cgroup_pids"]["outcome"] == "better"
    for fold in (1, 2, 3):
        output = (reproduced.place / "isolated" / f"fold-{fold}" / "output.log").read_text()
        assert f"Fold {fold}/3 after leak: proc=9" in output


def test_it_is_told_and_drawn(reproduced: Run) -> None:
    """To standard output, with two pictures and nothing half-written."""
    for words in ("crash      fold 3/3, SIGABRT: ", "alert      ", "isolated   3 of 3 folds"):
        assert words in reproduced.out
    assert "cause      pids_cgroup (certain)" in reproduced.out
    used = re.search(
        r"at most    pids_cgroup: (\d+)% in one process, (\d+)% isolated", reproduced.out
    )
    assert used is not None
    assert 90 < int(used[1]) <= 100
    assert int(used[2]) < 60
    names = {path.name for path in reproduced.place.iterdir()}
    pictures = {"before-and-after.png", "crash.png"}
    assert names == {".lock", "isolated", "one-process", "reproduce.json"} | pictures
    for name in pictures:
        assert (reproduced.place / name).read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left(reproduced: Run) -> None:
    """No process, no cgroup, and no file of TensorFlow's."""
    assert left(reproduced.pid, str(reproduced.place), temporary_of(reproduced.place)) == []


@pytest.mark.tensorflow
@pytest.mark.root
def test_an_interruption_leaves_nothing_either(tmp_path: Path) -> None:
    """Ctrl-C while the one process is there: exit code 130, and it and its cgroup are gone.

    What an earlier run has written there is set aside, so that none of it stands for this one, and
    another is refused meanwhile.
    """
    need(os.geteuid() == 0, "root, to make a cgroup")
    (tmp_path / "reproduce.json").write_text("earlier")
    with start("memory", tmp_path) as process:

        def has_begun() -> bool:
            there = left(process.pid, str(tmp_path), temporary_of(tmp_path))
            return any("/cgroup/" in words for words in there) and "process" in " ".join(there)

        wait_until(has_begun, 60, "the one process and its cgroup")
        with start("maps", tmp_path) as other:
            _, refusal = other.communicate(timeout=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (other.returncode, refusal.count("\n")) == (2, 1)
    assert "another run is writing here" in refusal
    assert process.returncode == 130
    assert err.endswith("foldwatch: interrupted\n")
    assert left(process.pid, str(tmp_path), temporary_of(tmp_path)) == []
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "one-process", "previous-1"}
    assert (tmp_path / "previous-1" / "reproduce.json").read_text() == "earlier"


def test_without_cgroups_a_limit_of_the_user_s_own_binds(tmp_path: Path) -> None:
    """It says why, and the process has that limit."""
    said: list[str] = []
    found = enforce(SCENARIOS["memory"], log=said.append, root=str(tmp_path))
    assert found.limit == "address_space"
    assert not found.cgroup_limits
    assert said[0].startswith("no cgroup can be made here: ")
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])"
    done = subprocess.run(
        ["prlimit", *found.prlimit, sys.executable, "-c", code], capture_output=True, check=True
    )
    assert int(done.stdout) == 16 * 2**30


def test_a_scenario_of_a_limit_that_is_there_needs_no_cgroup(tmp_path: Path) -> None:
    """vm.max_map_count binds everybody."""
    found = enforce(SCENARIOS["maps"], log=pytest.fail, root=str(tmp_path))
    assert (found.limit, found.prlimit, bool(found.cgroup_limits)) == ("max_map_count", (), False)


def test_a_limit_that_would_take_all_memory_is_refused(tmp_path: Path) -> None:
    """Some distributions set max_map_count as high as it goes."""
    limit = tmp_path / "proc/sys/vm/max_map_count"
    limit.parent.mkdir(parents=True)
    limit.write_text("2147483642\n")
    with pytest.raises(InputError, match=r"2,147,483,642 here, too many to leak: .* 679 GB"):
        enforce(SCENARIOS["incident"], log=pytest.fail, root=str(tmp_path))


def test_where_no_limit_binds_it_says_so(tmp_path: Path) -> None:
    """RLIMIT_NPROC does not bind root; it binds everybody else."""
    if os.geteuid() == 0:
        with pytest.raises(InputError, match="does not bind root; run it as an ordinary user"):
            enforce(SCENARIOS["pids"], log=lambda _: None, root=str(tmp_path))
    else:
        found = enforce(SCENARIOS["pids"], log=lambda _: None, root=str(tmp_path))
        assert found.limit == "nproc"


def test_the_command_knows_every_scenario() -> None:
    """As many as there are."""
    assert set(ReproduceScenario) == SCENARIOS.keys()


def test_what_did_not_come_about_is_named(tmp_path: Path) -> None:
    """A crash that did not happen is no reproduction, nor is an alert that came after it."""
    enforcement = Enforcement(limit="pids_cgroup", description="")
    healthy = analyze([RELEASED])
    found = Reproduced(
        scenario="pids",
        enforcement=enforcement,
        one_process=healthy,
        isolated=healthy,
        alerts=(),
        exit_code=None,
        finished=(1, 2),
        seconds=1.0,
    )
    outcome = ScenarioOutcome.of(found, str(tmp_path))
    assert missing(found, outcome) == [
        "the one process did not crash",
        "the cause found is not pids_cgroup",
        "the cause is not certain",
        "no alert came before the crash",
        "the isolated run is not complete",
    ]
    alert = Alert(
        name="A", severity=Severity.CRITICAL, labels={}, summary="", description="", began=10.0
    )
    late = replace(
        outcome,
        fold=3,
        cause="pids_cgroup",
        confidence="certain",
        alert=alert,
        lead_seconds=-1.0,
    )
    complete = replace(found, finished=(1, 2, 3))
    assert missing(complete, late) == ["no alert came before the crash"]
    assert missing(complete, replace(late, lead_seconds=1.0)) == []
    likely = replace(late, lead_seconds=1.0, confidence="likely")
    assert missing(complete, likely) == ["the cause is not certain"]
    own = replace(complete, enforcement=Enforcement(limit="nproc", description=""))
    assert missing(own, replace(likely, cause="nproc")) == []  # the kernel counts no hits of it
