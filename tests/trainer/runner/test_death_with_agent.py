"""A fold that dies together with its agent and its supervisor: what is told of it is true."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT
from tests.support.processes import parent_of, state_of
from tests.support.requirements import need
from tests.support.waiting import has_ended, wait_for_end, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SECONDS = 60
CODE = (
    "import os, sys, time\n"
    "place, fold = sys.argv[1:]\n"
    "if fold == '2':\n"
    "    open(f'{place}/pid', 'w').write(f'{os.getpid()}\\n')\n"
    "    while not os.path.exists(f'{place}/go'): time.sleep(0.01)\n"
    "    held = b'x' * 400_000_000\n"
    "    time.sleep(600)\n"
)


def start(
    place: Path, *options: str, program: tuple[str, ...] = ("-m", "foldwatch")
) -> tuple[subprocess.Popen[str], tuple[int, int, int]]:
    """Start a run; return it with the agent, the supervisor and the process of fold 2."""
    command = [sys.executable, *program, "run", "--folds", "3", *options]
    command += ["--output", str(place / "run"), "--", sys.executable, "-c", CODE, str(place)]
    run = subprocess.Popen([*command, "{fold}"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    mark = place / "pid"
    wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"), SECONDS, "fold 2")
    journal = place / "run/fold-2/journal.jsonl"
    wait_until(lambda: b'"sample"' in journal.read_bytes(), SECONDS, "its first reading")
    worker = int(mark.read_text())
    supervisor = parent_of(worker)
    return run, (parent_of(supervisor), supervisor, worker)


def failure_after(place: Path, run: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the end of the run; return the failure of fold 2, the only one."""
    try:
        _, err = run.communicate(timeout=SECONDS)
    finally:
        run.kill()
    assert "Traceback" not in err, err
    assert run.returncode == 1, err
    summary = json.loads((place / "run/summary.json").read_text())
    assert summary["folds_finished"] == [1, 3]
    failure: dict[str, Any] = json.loads((place / "run/fold-2/failure.json").read_text())
    return failure


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_killed_at_once(tmp_path: Path, order: tuple[int, ...]) -> None:
    """In whatever order: the signal is told, and how full the nearest limit was."""
    run, pids = start(tmp_path)
    for place in order:
        with suppress(ProcessLookupError):  # ended by the end of the one before
            os.kill(pids[place], signal.SIGKILL)
    failure = failure_after(tmp_path, run)
    assert (failure["outcome"], failure["signal"]) == ("signal", "SIGKILL")
    assert re.match(
        r"died with its agent, which was ended by SIGKILL; \w+ at \d+% of \S+.* at the last"
        r" reading, \d+\.\d s before; ended by SIGKILL",
        failure["reason"],
    ), failure["reason"]
    for pid in pids:
        wait_for_end(pid)


def test_what_no_kernel_tells_is_not_known(tmp_path: Path) -> None:
    """Before Linux 6.15: the signal that ended the agent is not the fold's."""
    without = (
        "import sys; from telemetry.kernel.process_handle import ProcessHandle\n"
        "ProcessHandle.exit_code = lambda self, *, wait_seconds: None\n"
        "from foldwatch.main import main; sys.exit(main())"
    )
    run, (agent, *_) = start(tmp_path, program=("-c", without))
    os.kill(agent, signal.SIGSEGV)
    failure = failure_after(tmp_path, run)
    assert (failure["exit_code"], failure["signal"]) == (None, None)
    assert failure["reason"].startswith("died with its agent, which was ended by SIGSEGV; ")
    assert "how it ended is not known" in failure["reason"]


@pytest.mark.root
@pytest.mark.parametrize("survives", [False, True])
def test_all_killed_at_a_real_oom(tmp_path: Path, *, survives: bool) -> None:
    """The kernel's counter is read after them all; nothing else is blamed, and no cgroup is left.

    A supervisor that survives its agent is continued by the kernel, which does so with an orphaned group, and cleans up.
    """
    need(os.geteuid() == 0, "root, to make a cgroup")
    run, (agent, supervisor, worker) = start(tmp_path, "--memory", "100M")
    for pid in (agent, supervisor):
        os.kill(pid, signal.SIGSTOP)
    (tmp_path / "go").touch()
    wait_until(lambda: has_ended(worker), SECONDS, "the kernel's kill")
    for pid in (agent,) if survives else (supervisor, agent):
        os.kill(pid, signal.SIGKILL)
    failure = failure_after(tmp_path, run)
    assert failure["outcome"] == "out of memory"
    assert failure["causes"][0]["cause"] == "cgroup_memory"
    assert failure["causes"][0]["standing"] == "certain"
    assert failure["root_cause"].startswith("cgroup_memory (certain): oom_kills rose from 0 to ")
    assert not [f for f, *_ in os.walk("/sys/fs/cgroup") if f"foldwatch-{run.pid}-" in f]


def test_a_stopped_agent_goes_on_at_the_end_of_the_runner() -> None:
    """However early it was stopped: it holds the run's lock, and the next run would be refused for good."""
    code = (
        "import os, signal\n"
        "from trainer.runner import local_engine\n"
        "local_engine.COMMAND = ('sleep', '600')\n"
        "agent = local_engine.LocalAgent(lock=None)\n"
        "os.kill(agent.pid, signal.SIGSTOP)\n"
        "print(agent.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", code]
    runner = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    agent = int(runner.stdout)
    try:
        wait_until(lambda: state_of(agent) != "T", SECONDS, "its going on")
    finally:
        os.kill(agent, signal.SIGKILL)
