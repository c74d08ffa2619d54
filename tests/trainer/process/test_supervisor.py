"""Whatever is killed, and however often Ctrl-C is pressed: nothing of a fold outlives the run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from benchmarks.signals_of_runs import Signalled, signalled
from tests.support.paths import ROOT
from tests.support.programs import run_foldwatch, run_python
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow

FOLD = os.path.join(ROOT, "tests", "scripts", "leaving_fold.py")
LONG = ("60",)
STUBBORN = ("60", "stubborn")


def start(
    place: Path, *options: str, fold: tuple[str, ...] = ("0.15",), folds: int = 3
) -> subprocess.Popen[bytes]:
    """Start ``foldwatch run`` on a fold that works in ``place``; ``fold`` is what else it is given."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", str(folds), *options]
    command += ["--output", str(place / "run"), "--", sys.executable, FOLD, str(place), "{fold}"]
    return subprocess.Popen(
        [*command, *fold],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def lines(path: Path) -> list[str]:
    """Return the lines of a file, none if it is not there."""
    return path.read_text().splitlines() if path.exists() else []


def processes(place: Path) -> list[int]:
    """Return every process that a fold has traced."""
    return [int(line.split()[-1]) for name in ("begun", "daemons") for line in lines(place / name)]


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``path`` is there, and not empty unless it is the lock."""

    def is_there() -> bool:
        if path.exists() and (path.name == ".lock" or path.stat().st_size):
            return True
        assert process.poll() is None, process.communicate()[1]
        return False

    wait_until(is_there, 30, str(path))


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
    """Five of them, each resumed: no orphan, no finished fold again, the same aggregate.

    A kill comes at a random moment after the next fold has begun, left its daemon, or finished.
    """
    seed = random.randrange(2**32)  # pytest-randomly's, which pytest prints, too
    print("seed", seed)
    chance = random.Random(seed)
    events = ["begun"] * 2 + ["daemons"] * 2 + ["finished"]
    chance.shuffle(events)
    for event in events:
        before = count(tmp_path, event)
        process = start(tmp_path, "--resume-mode", "auto")
        wait_until(
            partial(has_happened, tmp_path, event, before, process), 30, f"another one {event}"
        )
        time.sleep(chance.uniform(0.0, 0.1))
        finished = finished_folds(tmp_path)
        process.kill()
        process.communicate()
        for pid in processes(tmp_path):
            wait_for_end(pid)
        assert finished <= finished_folds(tmp_path)
    process = start(tmp_path, "--resume-mode", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert summary_of(tmp_path) == undisturbed


def count(place: Path, event: str) -> int:
    """Return how often ``event`` has happened."""
    return len(finished_folds(place) if event == "finished" else lines(place / event))


def has_happened(place: Path, event: str, before: int, process: subprocess.Popen[bytes]) -> bool:
    """Return whether it has happened again, or cannot, because the run has ended."""
    return count(place, event) > before or process.poll() is not None


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
    process = start(tmp_path, fold=LONG, folds=1)
    wait_for(tmp_path / "daemons", process)
    worker = int((tmp_path / "begun").read_text().split()[1])
    with open(f"/proc/{worker}/stat", encoding="ascii") as file:
        supervisor = int(file.read().rpartition(")")[2].split()[1])
    assert supervisor != process.pid
    os.kill(supervisor, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    for pid in processes(tmp_path):
        wait_for_end(pid)


@pytest.mark.parametrize(
    "state", ["run/.lock", "run/run.json", "run/fold-1/journal.jsonl", "begun", "daemons"]
)
def test_ctrl_c_twice_in_any_state(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its first file to a fold that ignores SIGTERM: 130 or the signal, and none left."""
    # What measures coverage has a traceback of its own where a signal meets its end.
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)
    process = start(tmp_path, fold=STUBBORN)
    wait_for(tmp_path / state, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {130, -signal.SIGINT}, err
    assert b"Traceback (most recent" not in err
    for pid in processes(tmp_path):
        wait_for_end(pid)
    process = start(tmp_path, "--resume-mode", "auto")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_random_signals_to_any_process_hang_orphan_and_repeat_nothing() -> None:
    """Six runs; TERM, INT, KILL, and STOP without CONT to runner, supervisor or worker; 500 in `make soak`."""
    seed = random.randrange(2**32)
    print("seed", seed)
    found = signalled(6, seed)
    assert found == Signalled(runs=6, signals=found.signals)


@pytest.mark.parametrize("waits", ["time.sleep(600)", "os.open(sys.argv[1], os.O_RDONLY)"])
def test_a_second_ctrl_c_ends_whatever_waits(tmp_path: Path, waits: str) -> None:
    """Deaf to signals, as in a system call that a library begins again each time: 130 all the same."""
    os.mkfifo(tmp_path / "pipe")
    code = (
        "import os, signal, sys, time\n"
        "from trainer.process import signals\n"
        "signals.LAST_SECONDS = 0.2\n"
        "with signals.Interruptions():\n"
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n"
        f"    while True: {waits}\n"
    )
    assert run_python("-c", code, str(tmp_path / "pipe"), seconds=30).code == 130


@pytest.mark.root
def test_without_proc_a_fold_runs_all_the_same(tmp_path: Path) -> None:
    """Its supervisor finds no descendants there, and says nothing of its own into the fold's output."""
    need(os.geteuid() == 0 and shutil.which("unshare"), "root and unshare, to hide /proc")
    hidden = 'mount -t tmpfs tmpfs /proc && exec "$0" -m foldwatch run --output "$1" -- true'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hidden, sys.executable, str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "fold-1" / "output.log").read_bytes() == b""


def test_a_second_runner_is_refused_while_the_first_is_there(tmp_path: Path) -> None:
    """One line, exit 2, and nothing of the first run is touched."""
    process = start(tmp_path, fold=LONG, folds=1)
    wait_for(tmp_path / "begun", process)
    outcome = run_foldwatch("run", "--output", str(tmp_path / "run"), "--", "true")
    assert outcome.code == 2
    told = f"another run is writing here: foldwatch (pid {process.pid})"
    assert outcome.err == f"foldwatch: {tmp_path}/run: {told}\n"
    assert (tmp_path / "run" / "fold-1" / "output.log").exists()
    process.kill()
    process.communicate()
