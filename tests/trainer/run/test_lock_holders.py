"""Who holds the lock of a run's directory, and what becomes of a process that was left there stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from tests.support.processes import state_of
from tests.support.waiting import wait_until
from trainer.run import directory as run_directory
from trainer.run.directory import RunDirectory
from trainer.run.lock_holders import LockHolder, holders_of_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDING = """
import fcntl, os, signal, sys
with open(sys.argv[1], "rb") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
"""Takes the lock, and stops itself; woken, it ends."""


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(str(tmp_path / "run"))
    directory.create()
    return directory


@pytest.fixture
def stopped(
    directory: RunDirectory, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock and is stopped; its script's name is the test's parameter."""
    script = tmp_path / request.param
    script.write_text(HOLDING)
    with subprocess.Popen([sys.executable, str(script), directory.layout.lock]) as process:
        wait_until(lambda: state_of(process.pid) == "T", 20, "stopped")
        yield process
        process.kill()


@pytest.mark.parametrize("stopped", ["train.py"], indirect=True)
def test_a_runner_that_is_stopped_is_named_and_left_as_it_is(
    directory: RunDirectory, stopped: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user may have stopped it; how it goes on is told."""
    monkeypatch.setattr(run_directory, "LOCK_SECONDS", 0.2)
    assert holders_of_lock(directory.layout.lock) == [
        LockHolder(stopped.pid, "train.py", is_stopped=True)
    ]
    with pytest.raises(InputError, match=rf"stopped: wake it with kill -CONT {stopped.pid}\)"):
        directory.locked().__enter__()
    assert state_of(stopped.pid) == "T"


@pytest.mark.parametrize("stopped", ["supervisor.py"], indirect=True)
def test_what_a_killed_supervisor_left_stopped_is_woken(
    directory: RunDirectory, stopped: subprocess.Popen[bytes]
) -> None:
    """No runner is there to do it, and the lock would be held for good."""
    with directory.locked() as lock:
        assert lock.is_held()
    assert stopped.wait(20) == 0


def test_one_that_only_opened_the_file_holds_no_lock(directory: RunDirectory) -> None:
    """A second runner that waits has it open, too."""
    code = "import signal, sys; file = open(sys.argv[1]); print(flush=True); signal.pause()"
    command = [sys.executable, "-c", code, directory.layout.lock]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert holders_of_lock(directory.layout.lock) == []
        os.kill(process.pid, signal.SIGKILL)
