"""Whatever is killed, and however often Ctrl-C is pressed: nothing of a fold outlives the run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import ends_within
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

DAEMON = """
import os, sys, time
def leave(mark):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(mark, "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(60)
        os._exit(0)
"""
FOLD = (
    DAEMON
    + """
place, fold = sys.argv[1:]
with open(os.path.join(place, "begun"), "a") as file:
    file.write(f"{fold} {os.getpid()}\\n")
leave(os.path.join(place, "daemons"))
time.sleep(0.15)
with open(os.environ["FOLDWATCH_METRICS"], "w") as file:
    file.write('{"score": 0.%s}' % fold)
"""
)
"""A fold that leaves a daemon behind, and a trace of both."""


def start(place: Path, *options: str, code: str = FOLD, folds: int = 3) -> subprocess.Popen[bytes]:
    """Start ``foldwatch run`` on a script that is told ``place`` and its fold."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", str(folds), *options]
    command += ["--output", str(place / "run"), "--", sys.executable, "-c", code]
    return subprocess.Popen(
        [*command, str(place), "{fold}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def processes(place: Path) -> list[int]:
    """Return every process that a fold has traced."""
    pids = []
    for name in ("begun", "daemons"):
        if (place / name).exists():
            pids += [int(line.split()[-1]) for line in (place / name).read_text().splitlines()]
    return pids


def wait_for(path: Path, lines: int, process: subprocess.Popen[bytes]) -> None:
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)


def summary_of(place: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((place / "run" / "summary.json").read_text())
    return content


@pytest.fixture(scope="module", name="undisturbed")
def undisturbed_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Give the summary of a run that nobody disturbs."""
    place = tmp_path_factory.mktemp("undisturbed")
    process = start(place)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return summary_of(place)


def test_random_kills_of_the_runner_lose_and_repeat_nothing(
    tmp_path: Path, undisturbed: dict[str, object]
) -> None:
    """Eight of them, each resumed: no orphan, no finished fold again, the same aggregate."""
    chance = random.Random(11)
    for attempt in range(8):
        process = start(tmp_path, "--resume-mode", "auto", folds=3)
        wait_for(tmp_path / "run" / "run.json", 1, process) if attempt == 0 else None
        time.sleep(chance.uniform(0.3, 1.0))
        finished = finished_folds(tmp_path)
        process.kill()
        process.communicate()
        for pid in processes(tmp_path):
            assert ends_within(2, pid)
        assert finished <= finished_folds(tmp_path)
    process = start(tmp_path, "--resume-mode", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert summary_of(tmp_path) == undisturbed


def finished_folds(place: Path) -> set[tuple[int, int]]:
    """Return the folds with a whole result, and when each was written."""
    directory = RunDirectory(str(place / "run"))
    return {
        (fold, os.stat(os.path.join(directory.fold(fold), "result.json")).st_mtime_ns)
        for fold in (1, 2, 3)
        if directory.result(fold) is not None
    }


def test_a_killed_supervisor_takes_its_fold_along(tmp_path: Path) -> None:
    """The process between: the kernel kills the command, the runner what that has left behind."""
    process = start(tmp_path, code=FOLD.replace("0.15", "60"), folds=1)
    wait_for(tmp_path / "daemons", 1, process)
    worker = int((tmp_path / "begun").read_text().split()[1])
    with open(f"/proc/{worker}/stat", encoding="ascii") as file:
        supervisor = int(file.read().rpartition(")")[2].split()[1])
    assert supervisor != process.pid
    os.kill(supervisor, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    for pid in processes(tmp_path):
        assert ends_within(2, pid)


STUBBORN = FOLD.replace("0.15", "60").replace(
    "import os, sys, time", "import os, signal, sys, time\nsignal.signal(15, signal.SIG_IGN)"
)


@pytest.mark.parametrize("after_seconds", [0.0, 0.1, 0.3, 0.6, 1.2])
def test_ctrl_c_twice_in_any_state(
    tmp_path: Path, after_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first file to a fold that ignores SIGTERM: 130 or the signal, and none left."""
    # What measures coverage has a traceback of its own where a signal meets its end.
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)
    process = start(tmp_path, code=STUBBORN)
    wait_for(tmp_path / "run" / ".lock", 0, process)
    time.sleep(after_seconds)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=15)
    assert process.returncode in {130, -signal.SIGINT}, err
    assert b"Traceback (most recent" not in err
    for pid in processes(tmp_path):
        assert ends_within(2, pid)
    process = start(tmp_path, "--resume-mode", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_a_second_runner_is_refused_while_the_first_is_there(
    tmp_path: Path, foldwatch: Callable[..., CommandOutcome]
) -> None:
    """One line, exit 2, and nothing of the first run is touched."""
    process = start(tmp_path, code=FOLD.replace("0.15", "8"), folds=1)
    wait_for(tmp_path / "begun", 1, process)
    outcome = foldwatch("run", "--output", str(tmp_path / "run"), "--", "true")
    assert outcome.code == 2
    assert outcome.err == f"foldwatch: {tmp_path}/run: another run is writing here\n"
    assert (tmp_path / "run" / "fold-1" / "output.log").exists()
    process.kill()
    process.communicate()
