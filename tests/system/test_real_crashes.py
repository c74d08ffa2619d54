"""Runs that really die at a limit of this machine: what their log alone says, and what the run does.

The log alone never makes a cause certain; the run directory, with the journal and what the runner saw
after the death, names the right one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from tests.support.paths import ROOT
from tests.support.requirements import need
from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.job import Job
from trainer.run.resume_plan import plan
from trainer.runner.fold_runner import FoldRunner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analyzer.result import Finding
    from tests.support.cgroups import RealCgroup

pytestmark = pytest.mark.slow

CONFIG = RunConfig(folds=1, epochs=1, device_mode="cpu")
HEAD = """
import ctypes, mmap, os, resource, subprocess, sys, threading, time, traceback
{join}
import telemetry
telemetry.checkpoint("Fold 1/1 START")
"""
SEEN = """
journal = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], "fold-1", "journal.jsonl")
def looks():
    with open(journal) as file: return file.read().count('"kind":"sample"')
until = looks() + 2
while looks() < until: time.sleep(0.1)
"""
"""The runner has looked once since, whole: the look before the second was."""


def die(tmp_path: Path, code: str, *, join: str = "") -> tuple[Finding, Finding]:
    """Run ``code`` as a fold; return what its log alone says, and what its run directory does."""
    directory = RunDirectory(str(tmp_path / "run"))
    directory.create()
    command = [sys.executable, "-c", HEAD.format(join=join) + code]
    todo = plan(directory, CONFIG, only=None, resume_mode="fresh")
    FoldRunner(directory, CONFIG, todo, job=Job(command=lambda *_: command)).run()
    log = tmp_path / "alone.log"
    shutil.copy(os.path.join(directory.fold(1), "output.log"), log)
    (alone,), (run,) = analyze([str(log)]).findings, analyze([directory.path]).findings
    return alone, run


def standings(finding: Finding) -> dict[str, str]:
    return {cause.cause: cause.confidence for cause in finding.causes}


def check(alone: Finding, run: Finding, cause: str) -> None:
    """The log alone has the cause among its candidates, the run has it alone certain."""
    assert alone.process.crash is not None, "the log alone shows no crash"
    assert standings(alone)[cause] in {"likely", "possible"}
    assert "certain" not in standings(alone).values()
    certain = [name for name, confidence in standings(run).items() if confidence == "certain"]
    assert certain == [cause], run.causes
    assert any(step.target == cause for step in run.remedies)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts import the packages, wherever pytest was started."""
    monkeypatch.setenv("PYTHONPATH", ROOT)


@pytest.mark.tensorflow
def test_tensorflow_in_a_pids_cgroup(tmp_path: Path, pids_cgroup: RealCgroup) -> None:
    """Check failed: ret == 0 (11 vs. 0), SIGABRT; the counter rose."""
    pids_cgroup.limit(30)
    alone, run = die(
        tmp_path,
        "import tensorflow as tf\n"
        "telemetry.checkpoint('after TF import')\n"
        "options = tf.data.Options()\n"
        "options.threading.private_threadpool_size = 64\n"
        "for _ in tf.data.Dataset.range(9).map(lambda x: x).with_options(options): pass\n",
        join=f"open({os.path.join(pids_cgroup.folder, 'cgroup.procs')!r}, 'w').write('0')",
    )
    crash = alone.process.crash
    assert crash is not None
    assert (crash.signature, crash.errno) == ("tensorflow_pthread_create", 11)
    assert {"pids_cgroup", "nproc", "max_map_count"} < standings(alone).keys()
    check(alone, run, "pids_cgroup")
    assert "pids_limit_hits rose from 0 to" in run.causes[0].evidence[0]
    assert standings(run)["nproc"] == "ruled out"  # root is exempt


FILL_MAPS = """
held, kinds = [], [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE]
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
while libc.mmap(None, 4096, kinds[0], anonymous, -1, 0) not in {None, 2**64 - 1}: kinds.reverse()
"""


def test_every_memory_map_is_used(tmp_path: Path) -> None:
    """CPython never says the errno; the reading at the limit does, and no counter rose."""
    alone, run = die(
        tmp_path,
        SEEN
        + FILL_MAPS
        + "telemetry.checkpoint('after the fill')\nthreading.Thread(target=print).start()\n",
    )
    check(alone, run, "max_map_count")
    assert standings(alone)["max_map_count"] == "likely"  # its last line shows the limit reached
    assert run.causes[0].evidence[0].startswith("at the limit: 65,5")
    assert standings(run)["pids_cgroup"] == standings(run)["nproc"] == "ruled out"


@pytest.mark.root
def test_every_task_of_a_user_is_used(tmp_path: Path) -> None:
    """RLIMIT_NPROC, as a user who is not root: fork and thread fail, so it is no want of memory."""
    need(os.geteuid() == 0, "root, to become another user")
    user = 60000 + os.getpid() % 5000
    alone, run = die(
        tmp_path,
        f"os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (25, 25))\n"
        "stop = threading.Event()\n"
        "try:\n"
        "    while True: threading.Thread(target=stop.wait, daemon=True).start()\n"
        "except RuntimeError: telemetry.checkpoint('full')\n"
        "time.sleep(2.5)\n"
        "try: subprocess.run(['true'])\n"
        "except BlockingIOError: traceback.print_exc(file=sys.stdout)\n"
        "threading.Thread(target=print).start()\n",
    )
    check(alone, run, "nproc")
    assert run.causes[0].evidence[0].startswith("at the limit: 25 of 25")
    assert standings(run)["max_map_count"] == "ruled out"


def test_the_data_size_is_used(tmp_path: Path) -> None:
    """RLIMIT_DATA, which the stacks of threads count against whole; the kernel names it once a boot."""
    alone, run = die(
        tmp_path,
        "with open('/proc/self/status') as file:\n"
        "    used = next(int(line.split()[1]) for line in file if line.startswith('VmData')) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_DATA, [used + 400 * 2**20] * 2)\n"
        "stop = threading.Event()\n"
        "try:\n"
        "    while True: threading.Thread(target=stop.wait, daemon=True).start()\n"
        "except RuntimeError: telemetry.checkpoint('full')\n"
        "threading.Thread(target=print).start()\n",
    )
    assert alone.process.crash is not None
    assert alone.process.crash.signature == "python_new_thread"
    assert standings(alone)["data_size"] == "possible"
    assert (run.causes[0].cause, run.causes[0].confidence) == ("data_size", "likely")
    assert run.causes[0].evidence[0].startswith("nearly full at its peak: ")
    assert [name for name, word in standings(run).items() if word == "likely"] == ["data_size"]
    assert standings(run)["address_space"] == "ruled out"
    steps = [step for step in run.remedies if step.target == "data_size"]
    assert steps[0].command == "ulimit -d unlimited"
    assert "LimitDATA=" in steps[0].text
    assert steps[1].command == "grep 'Max data size' /proc/PID/limits"


@pytest.fixture
def memory_cgroup() -> Iterator[str]:
    """A cgroup of 200 MB."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    folder = f"/sys/fs/cgroup/memory/foldwatch-test-{uuid.uuid4().hex[:8]}"
    limit = "memory.limit_in_bytes"
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        folder, limit = folder.replace("/memory/", "/", 1), "memory.max"
    try:
        os.mkdir(folder)
        with open(os.path.join(folder, limit), "w", encoding="ascii") as file:
            file.write(str(200 * 2**20))
    except OSError as error:
        need(False, f"a memory controller to make a cgroup in ({error})")  # noqa: FBT003 - it failed
    yield folder
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def test_the_memory_cgroup_kills_without_a_word(tmp_path: Path, memory_cgroup: str) -> None:
    """The log just stops, and says so; the runner saw SIGKILL and the counter that rose."""
    alone, run = die(
        tmp_path,
        SEEN + "held = []\nwhile True: held.append(bytearray(2**20))\n",
        join=f"open({os.path.join(memory_cgroup, 'cgroup.procs')!r}, 'w').write('0')",
    )
    assert alone.process.crash is None
    assert alone.causes == ()
    assert alone.truncation is not None
    assert "SIGKILL leaves none: an OOM kill" in alone.truncation.words
    assert run.truncation is None
    assert run.causes[0].cause == "cgroup_memory"
    assert run.causes[0].confidence == "certain"
    assert (
        run.causes[0].evidence[0].startswith("oom_kills rose from 0 to 1 during the run, and the")
    )
    assert standings(run)["host_memory"] == "ruled out"


def test_a_kill_by_a_person_is_no_limit(tmp_path: Path, memory_cgroup: str) -> None:
    """No counter rose, at any level, up to after the death: every limit is ruled out."""
    _, run = die(
        tmp_path,
        SEEN + "os.kill(os.getpid(), 9)\n",
        join=f"open({os.path.join(memory_cgroup, 'cgroup.procs')!r}, 'w').write('0')",
    )
    assert standings(run) == {
        "not_a_limit": "likely",
        "cgroup_memory": "ruled out",
        "host_memory": "ruled out",
    }


def test_every_descriptor_is_used(tmp_path: Path) -> None:
    """EMFILE has one cause, and still a message alone does not make it certain."""
    alone, run = die(
        tmp_path,
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n" + SEEN + "held = [os.dup(1)]\n"
        "try:\n"
        "    while True: held.append(os.dup(1))\n"
        "except OSError: telemetry.checkpoint('full')\n"
        "os.dup(1)\n",
    )
    check(alone, run, "open_files")
    assert standings(alone) == {"open_files": "likely"}
    assert run.causes[0].evidence[0].startswith("at the limit: 64 of 64")
