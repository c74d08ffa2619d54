"""A cgroup for each fold: the real ones of this machine, and v2's rules on a tree of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from tests.support.paths import ROOT
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.process.fold_cgroup import FoldCgroups
from trainer.run.cgroup_limits import CgroupLimits, parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

THREADS = """
import sys, threading, time
for _ in range(40 if sys.argv[1] == "2" else 3):
    threading.Thread(target=time.sleep, args=(0.5,)).start()
"""
MEMORY = """
import sys
held = b"x" * (400_000_000 if sys.argv[1] == "2" else 1_000_000)
"""


def leftovers(pid: int) -> list[str]:
    """Return cgroups that the run of process ``pid`` has left."""
    return [
        os.path.join(folder, name)
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith(f"foldwatch-{pid}-")
    ]


GIVES_UP = """
import sys, threading, time
try:
    for _ in range(40 if sys.argv[1] == "2" else 3):
        threading.Thread(target=time.sleep, args=(0.5,)).start()
except RuntimeError:
    sys.exit("giving up")
"""
CHILD_KILLED = """
import subprocess, sys
code = "x = b'x' * %d" % (400_000_000 if sys.argv[1] == "2" else 1_000_000)
sys.exit(1 if subprocess.run([sys.executable, "-c", code]).returncode else 0)
"""
FORKS = """
import os, sys, time
try:
    for _ in range(40 if sys.argv[1] == "2" else 3):
        if not os.fork():
            time.sleep(0.5)
            os._exit(0)
except OSError:
    os._exit(9)
"""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(
    ("too_small", "cause", "evidence"),
    [
        ((("--cgroup-pids", "20"), THREADS), "pids_cgroup", "pids_limit_hits rose from 0 to "),
        ((("--memory", "100M"), MEMORY), "cgroup_memory", "oom_kills rose from 0 to "),
        ((("--cgroup-pids", "20"), GIVES_UP), "pids_cgroup", "pids_limit_hits rose from 0 to "),
        ((("--memory", "100M"), CHILD_KILLED), "cgroup_memory", "oom_kills rose from 0 to "),
        ((("--cgroup-pids", "20"), FORKS), "pids_cgroup", "pids_limit_hits rose from 0 to "),
    ],
    ids=["pids", "memory", "pids, handled", "memory, a child's", "pids, without a word"],
)
def test_a_cgroup_too_small_for_fold_2_is_its_certain_cause(
    tmp_path: Path,
    too_small: tuple[tuple[str, str], str],
    cause: str,
    evidence: str,
) -> None:
    """From the counters at the death; the other folds finish, and no cgroup is left."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    place = str(tmp_path / "run")
    option, code = too_small
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", "3", *option]
    command += ["--output", place, "--", sys.executable, "-c", code, "{fold}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    with open(os.path.join(place, "fold-2", "failure.json"), encoding="utf-8") as file:
        failure = json.load(file)
    outcome = "exception" if code is THREADS else "exit code"
    assert failure["outcome"] == ("out of memory" if cause == "cgroup_memory" else outcome)
    first = failure["causes"][0]
    assert (first["cause"], first["standing"]) == (cause, "certain")
    assert first["evidence"][0].startswith(evidence)
    last = err.splitlines()[-1]
    assert last.startswith(f"foldwatch: fold 2: {cause} (certain): {evidence}")
    with open(os.path.join(place, "summary.json"), encoding="utf-8") as file:
        assert json.load(file)["folds_finished"] == [1, 3]
    assert leftovers(process.pid) == []


@pytest.mark.parametrize("pids", [1, 2, 3, 4])
def test_a_runner_that_is_at_the_limit_itself_says_so_and_leaves_no_cgroup(
    tmp_path: Path, pids_cgroup: RealCgroup, pids: int
) -> None:
    """No thread for its verdict, no process for its supervisor, or none for the fold: one line each."""
    pids_cgroup.limit(pids)
    words = ["run", "--cgroup-pids", "9", "--output", str(tmp_path / "run"), "--", "true"]
    outcome = pids_cgroup.run(
        f"import sys; from foldwatch.main import main; sys.exit(main({words}))"
    )
    assert outcome.code == 1, outcome.err
    assert "Traceback" not in outcome.err
    last = outcome.err.splitlines()[-1]
    assert "fold 1: cannot be started: " in last
    assert "Resource temporarily unavailable" in last
    assert next(os.walk(pids_cgroup.folder))[1] == []


@pytest.mark.root
def test_a_killed_runner_leaves_no_cgroup_and_nothing_in_it(tmp_path: Path) -> None:
    """The supervisor empties and removes it, a daemon of the fold's included."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    mark = tmp_path / "pids"
    code = (
        "import os, time\n"
        "if os.fork() == 0: os.setsid()\n"
        f"with open({str(mark)!r}, 'a') as file: file.write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-m", "foldwatch", "run", "--cgroup-pids", "50", "--memory", "1G"]
    command += ["--output", str(tmp_path / "run"), "--", sys.executable, "-c", code]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def are_traced() -> bool:
        assert process.poll() is None
        return mark.exists() and len(mark.read_text().split()) == 2

    wait_until(are_traced, 30, "the fold and its daemon")
    assert len(leftovers(process.pid)) == 2
    process.kill()
    process.wait()
    for pid in mark.read_text().split():
        wait_for_end(int(pid))
    wait_until(lambda: not leftovers(process.pid), 10, "the removal of the cgroups")


def test_where_no_cgroup_may_be_made_one_line_says_so(
    tmp_path: Path, pids_cgroup: RealCgroup
) -> None:
    """As in a container, whose cgroups are mounted read-only: the run goes on without the limit."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", "2", "--cgroup-pids", "9"]
    command += ["--output", str(tmp_path / "run"), "--", "true"]
    read_only = 'mount -o bind,remount,ro "$0" && exec "$@"'
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            read_only,
            os.path.dirname(pids_cgroup.folder),
            *command,
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    err = done.stderr.decode()
    assert done.returncode == 0, err
    assert err.count("no cgroup for each fold, they run without its limits: ") == 1
    assert "Read-only file system" in err


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 2**29), ("8G", 2**33), ("1GiB", 2**30), ("100kb", 102400), ("7", 7)]
)
def test_sizes(text: str, size: int) -> None:
    """Powers of 1024, as the kernel's."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "0", "1.5G", "8 bananas"])
def test_what_is_no_size_is_named(text: str) -> None:
    """In one line."""
    with pytest.raises(InputError, match="not a size; write 512M or 8G"):
        parse_size(text)


def tree(root: Path, *, enabled: str, processes: str) -> Path:
    """Build the files of a v2 hierarchy with this process in ``/app``; return app's folder."""
    process = root / "proc" / "self"
    process.mkdir(parents=True)
    (process / "cgroup").write_text("0::/app\n")
    (process / "mountinfo").write_text("36 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n")
    app = root / "sys/fs/cgroup/app"
    app.mkdir(parents=True)
    for name, text in {
        "cgroup.controllers": "memory pids\n",
        "cgroup.subtree_control": enabled,
        "cgroup.procs": processes,
    }.items():
        (app / name).write_text(text)
    return app


class Kernel(FoldCgroups):
    """Makes what cgroupfs makes by itself: the files of a new folder; enforces no internal processes."""

    written: list[tuple[str, str]]

    def _write(self, folder: str, name: str, text: str) -> None:
        self.written = [*getattr(self, "written", []), (os.path.basename(folder), f"{name}={text}")]
        processes = os.path.join(folder, "cgroup.procs")
        if name == "cgroup.subtree_control" and text.startswith("+"):
            with open(processes, encoding="ascii") as file:
                if file.read().split():
                    raise OSError(16, "Device or resource busy", folder)
        if name == "cgroup.procs":  # it leaves the one that it was in
            above = os.path.join(os.path.dirname(folder), "cgroup.procs")
            if os.path.exists(above):
                with open(above, "w", encoding="ascii"):
                    pass
        mode = "a" if name == "cgroup.subtree_control" else "w"
        with open(os.path.join(folder, name), mode, encoding="ascii") as file:
            file.write(f"{text.lstrip('+')} ")


BOTH = CgroupLimits(pids=50, memory_bytes=2**30)


def test_v2_with_the_controllers_enabled_already(tmp_path: Path) -> None:
    """One folder for both controllers, below the own one; swap is none."""
    app = tree(tmp_path, enabled="memory pids\n", processes="1\n")
    cgroups = Kernel(BOTH, root=str(tmp_path))
    assert cgroups.make("fold-1") == [str(app / "fold-1")]
    files = {path.name: path.read_text().strip() for path in (app / "fold-1").iterdir()}
    assert files == {"pids.max": "50", "memory.max": str(2**30), "memory.swap.max": "0"}


def test_v2_alone_in_its_cgroup_the_runner_moves_into_a_leaf(tmp_path: Path) -> None:
    """No process beside children: cgroup-v2.rst, "No Internal Process Constraint"."""
    app = tree(tmp_path, enabled="", processes=f"{os.getpid()}\n")
    cgroups = Kernel(BOTH, root=str(tmp_path))
    assert cgroups.make("fold-1") == [str(app / "fold-1")]
    assert (app / "foldwatch-runner" / "cgroup.procs").read_text().split() == [str(os.getpid())]
    assert cgroups.make("fold-2") == [str(app / "fold-2")]
    cgroups.close()
    assert ("app", f"cgroup.procs={os.getpid()}") in cgroups.written


def test_v2_with_others_in_its_cgroup_is_told_what_to_do(tmp_path: Path) -> None:
    """They are not the runner's to move, and nothing is left behind."""
    app = tree(tmp_path, enabled="", processes=f"1\n7\n{os.getpid()}\n")
    with pytest.raises(OSError, match=r"2 other processes are in it; start foldwatch in a cgroup"):
        Kernel(BOTH, root=str(tmp_path)).make("fold-1")
    assert not (app / "fold-1").exists()


def test_v2_without_the_controller_says_which(tmp_path: Path) -> None:
    """As where the cgroup above has not enabled it."""
    app = tree(tmp_path, enabled="", processes="")
    (app / "cgroup.controllers").write_text("cpu\n")
    with pytest.raises(OSError, match="the pids controller is not enabled for it"):
        Kernel(CgroupLimits(pids=9), root=str(tmp_path)).make("fold-1")
