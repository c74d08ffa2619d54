"""What a fold does to its files, its supervisor or the disk costs that fold alone; the run ends by itself."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from foldwatch.main import main
from telemetry.file_fault import reason
from telemetry.journal.atomic_write import open_regular, replacing
from tests.support.agents_in_threads import EngineOfThreads
from tests.support.paths import ROOT
from tests.support.processes import parent_of
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.agent import fold_failure
from trainer.process import fold_process
from trainer.process.launcher import SupervisedProcess
from trainer.run import durable_files, fold_result
from trainer.run.config import CommandConfig
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import Summary
from trainer.run.job import RunOptions
from trainer.run.resume_plan import plan
from trainer.runner.command_job import command_job
from trainer.runner.fold_outcomes import FoldOutcomes
from trainer.runner.fold_runner import FoldRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PR_CAPBSET_DROP = 24
SECONDS = 60
"""For a run of short folds, on a machine that is busy."""
HARM = (
    "import os, shutil, signal, sys, time\n"
    "fold, run = int(sys.argv[1]), os.environ['FOLDWATCH_RUN_DIR']\n"
    "own = os.path.join(run, f'fold-{fold}')\n"
    "def instead(name, make):\n"
    "    path = os.path.join(own, name)\n"
    "    if os.path.lexists(path): os.remove(path)\n"
    "    make(path)\n"
    "def link(path): os.symlink('/dev/zero', path)\n"
)
NAMES = (
    *("journal.jsonl", "output.log", "metrics.json", "result.json", "failure.json"),
    *("../summary.json", "../summary.csv", "../run.json"),
)


def start(place: Path, code: str, *options: str, **how: Any) -> subprocess.Popen[bytes]:
    """Start a run of three folds, which are given their number."""
    command = [sys.executable, "-m", "foldwatch", "run", "--folds", "3", *options]
    if "--output" not in options:
        command += ["--output", str(place / "run")]
    arguments: Any = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    command += ["--", sys.executable, "-c", HARM + code, "{fold}"]
    return subprocess.Popen(command, **arguments)


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for a run; return its exit code and standard error."""
    try:
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    text = (err or b"").decode()
    assert "Traceback" not in text, text
    return process.returncode, text


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def finished(place: Path) -> list[int]:
    found: list[int] = content(place / "run" / "summary.json")["folds_finished"]
    return found


def runner_of(
    place: Path,
    code: str,
    *,
    folds: int = 1,
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> FoldRunner:
    """Return a runner of this process, which runs Python ``code`` for each fold, with agents in its threads."""
    config = CommandConfig(folds=folds, command=(sys.executable, "-c", code))
    directory = RunDirectory(str(place / "run"))
    directory.create()
    return FoldRunner(
        directory,
        config,
        plan(directory, config, only=None, resume_mode="fresh"),
        job=command_job(config),
        options=RunOptions(**options),
        engine=EngineOfThreads(clock=clock),
    )


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs import the packages from wherever they are started."""
    monkeypatch.setenv("PYTHONPATH", ROOT)


@pytest.mark.parametrize("kind", ["os.mkfifo", "link", "os.mkdir"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_a_fold_replaces_costs_no_other_fold(
    tmp_path: Path, name: str, kind: str
) -> None:
    """By a pipe, an endless device or a directory; side by side with folds that do nothing of it."""
    process = start(
        tmp_path, f"if fold == 2: instead({name!r}, {kind}); sys.exit(5)", "--parallel", "3"
    )
    code, err = end_of(process)
    assert code == 1, err
    directory = RunDirectory(str(tmp_path / "run"))
    assert [directory.result(fold) is not None for fold in (1, 2, 3)] == [True, False, True]
    assert "fold 2: exited with 5" in err
    if (name, kind) != ("../summary.json", "os.mkdir"):
        assert finished(tmp_path) == [1, 3]
    if (name, kind) != ("failure.json", "os.mkdir"):
        assert content(tmp_path / "run" / "fold-2" / "failure.json")["exit_code"] == 5


def test_a_fold_that_finishes_without_a_journal_is_finished(tmp_path: Path) -> None:
    """Its readings are lost, which one line says, and its result counts."""
    code, err = end_of(start(tmp_path, "if fold == 2: instead('journal.jsonl', os.mkdir)"))
    assert (code, finished(tmp_path)) == (0, [1, 2, 3]), err
    assert sum("fold-2/journal.jsonl" in line for line in err.splitlines()) == 1


def test_what_is_no_file_in_the_metrics_place_costs_the_metrics(tmp_path: Path) -> None:
    """A pipe, an endless device, a directory: the folds are finished, and each has its line."""
    harm = "(os.mkfifo, link, os.mkdir)[fold - 1](os.environ['FOLDWATCH_METRICS'])"
    code, err = end_of(start(tmp_path, harm))
    assert (code, finished(tmp_path)) == (0, [1, 2, 3]), err
    assert err.count("metrics.json: cannot be read: ") == 3


def test_a_failure_that_cannot_be_judged_is_one_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the error as its reason; the folds behind it run."""

    def explain(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(fold_failure, "explain", explain)
    runner = runner_of(tmp_path, "import sys; sys.exit({fold} == 2)", folds=3)
    assert runner.run().missing == [2]
    reason = "no result: its files cannot be judged: KeyError: 'a defect'"
    assert runner.failures[2].reason == reason


def test_the_working_directory_may_go(tmp_path: Path) -> None:
    """With the default --output below it: each fold that ends later keeps its result, no other is counted."""
    place = tmp_path / "gone"
    place.mkdir()
    harm = f"if fold == 2: shutil.rmtree({str(place)!r})"
    code, err = end_of(start(tmp_path, harm, "--output", "run", cwd=place))
    assert code == 1
    assert finished(place) == [2, 3]
    assert "fold 1: its result was changed or removed after its end" in err


def test_a_fold_cannot_change_the_result_of_another(tmp_path: Path) -> None:
    """The mean is over what each fold itself has left."""
    harm = (
        "import json\n"
        "path = os.path.join(run, 'fold-1', 'result.json')\n"
        "if fold == 2:\n"
        "    content = json.load(open(path)); content['metrics'] = {'score': 1.0}\n"
        "    json.dump(content, open(path, 'w'))\n"
    )
    code, err = end_of(start(tmp_path, harm))
    assert code == 1, err
    assert finished(tmp_path) == [2, 3]


@pytest.mark.parametrize(
    "plant",
    [
        "open(os.path.join(leases, 'fold-2.999999'), 'w')",
        "open(os.path.join(leases, 'fold-2.1'), 'w').write('junk')",
        "shutil.copy(os.path.join(leases, 'fold-1.1'), os.path.join(leases, 'fold-3.7'))",
        "shutil.rmtree(leases); os.mkdir('elsewhere'); os.symlink('../elsewhere', leases)",
        "shutil.rmtree(leases); open(leases, 'w')",
    ],
    ids=["the highest", "junk", "a live holder", "a link", "a file"],
)
def test_what_a_fold_does_to_the_leases_costs_no_later_fold(tmp_path: Path, plant: str) -> None:
    """Neither a wait nor a result, and nothing is written behind a link."""
    code = f"leases = os.path.join(run, '.leases')\nos.chdir({str(tmp_path)!r})\n"
    code += f"if fold == 1:\n    {plant}\n"
    status, err = end_of(start(tmp_path, HARM + code))
    assert "waits" not in err
    assert {2, 3} <= set(finished(tmp_path)), err
    assert not (tmp_path / "elsewhere").exists() or not list((tmp_path / "elsewhere").iterdir())
    assert status in {0, 1}


def test_where_nothing_can_be_set_aside_a_fold_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others run; the first attempt's failure stays."""
    make = os.mkdir

    def mkdir(path: str, *options: Any) -> None:
        if "previous-" in path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        make(path, *options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    runner = runner_of(tmp_path, "import sys; sys.exit({fold} == 2)", folds=3, retries=1)
    assert runner.run().missing == [2]
    assert content(tmp_path / "run" / "fold-2" / "failure.json")["exit_code"] == 1
    assert "fold 2: not tried again" in capsys.readouterr().err


def test_a_fold_without_a_directory_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, in memory if not in failure.json, and the others run."""
    make = os.mkdir

    def mkdir(path: str, *options: Any) -> None:
        if path.endswith("fold-2"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        make(path, *options)

    monkeypatch.setattr(os, "mkdir", mkdir)
    runner = runner_of(tmp_path, "pass", folds=3)
    assert runner.run().missing == [2]
    assert runner.failures[2].reason.startswith("cannot be started: ")
    assert "Permission denied" in runner.failures[2].reason


@pytest.mark.parametrize("limit", range(10, 28, 2))
def test_few_descriptors_end_in_a_line_that_names_the_limit(tmp_path: Path, limit: int) -> None:
    """Too few to start, to start a fold, to watch it, or enough."""
    command = (
        f"ulimit -n {limit}; exec {sys.executable} -m foldwatch run --folds 2 --output run -- true"
    )
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=False, timeout=SECONDS, cwd=tmp_path
    )
    err = done.stderr.decode()
    assert "Traceback" not in err
    if done.returncode:
        assert "Too many open files" in err
    else:
        assert finished(tmp_path) == [1, 2]
    if done.returncode == 1:
        assert f"the limit is {limit} (ulimit -n)" in err


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_changes_no_duration(
    tmp_path: Path, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour forward or back while the fold runs: no timeout, and the seconds that it took."""
    wall, mark = time.time, tmp_path / "begun"
    monkeypatch.setattr(time, "time", lambda: wall() + (step if mark.exists() else 0.0))
    code = f"import time; open({str(mark)!r}, 'w').close(); time.sleep(0.2)"
    runner = runner_of(tmp_path, code, timeout_seconds=100)
    (result,) = runner.run().results
    assert 0.2 <= result.seconds < 100


LASTING = "open(os.path.join(own, 'pid'), 'w').write(str(os.getpid()) + chr(10)); time.sleep(60)"


def stop_fold_1(place: Path) -> int:
    """Stop its worker's group and its supervisor; return the worker."""
    mark = place / "run" / "fold-1" / "pid"
    wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"), SECONDS, "the fold")
    worker = int(mark.read_text())
    os.kill(parent_of(worker), signal.SIGSTOP)
    os.killpg(worker, signal.SIGSTOP)
    return worker


def test_a_stopped_supervisor_holds_no_timeout_up(tmp_path: Path) -> None:
    """And no other fold: the last two run after it."""
    process = start(tmp_path, f"if fold == 1: {LASTING}", "--timeout", "5")
    worker = stop_fold_1(tmp_path)
    code, err = end_of(process)
    assert code == 1, err
    assert finished(tmp_path) == [2, 3]
    failure = content(tmp_path / "run" / "fold-1" / "failure.json")
    assert failure["reason"] == "timeout: it ran for more than 5 s"
    assert failure["root_cause"] == failure["reason"]  # not that the runner ended it
    wait_for_end(worker)


def test_a_stopped_supervisor_holds_no_ctrl_c_up(tmp_path: Path) -> None:
    process = start(tmp_path, LASTING)
    worker = stop_fold_1(tmp_path)
    process.send_signal(signal.SIGINT)
    code, err = end_of(process)
    assert code == 130, err
    wait_for_end(worker)


def test_a_stopped_supervisor_dies_with_its_runner(tmp_path: Path) -> None:
    process = start(tmp_path, LASTING)
    worker = stop_fold_1(tmp_path)
    supervisor = parent_of(worker)
    process.kill()
    process.communicate()
    for pid in (worker, supervisor):
        wait_for_end(pid)


def test_a_supervisor_that_says_nothing_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped again as soon as it is woken, it is killed, and what it supervised with it."""
    monkeypatch.setattr(fold_process, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(fold_process, "ANSWER_SECONDS", 0.2)
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    supervisors: list[int] = []  # found once: what outlives its own belongs to this process

    def clock() -> float:
        if not (mark.exists() and mark.read_text()):
            return time.monotonic()
        if not supervisors:
            supervisors.append(parent_of(int(mark.read_text())))
        with suppress(ProcessLookupError):
            os.kill(supervisors[0], signal.SIGSTOP)
        return time.monotonic() + 1000

    monkeypatch.setattr(SupervisedProcess, "wake", lambda _self: None)
    runner = runner_of(tmp_path, code, clock=clock, timeout_seconds=500)
    assert runner.run().missing == [1]
    assert runner.failures[1].outcome == "timeout"
    wait_for_end(int(mark.read_text()))


def test_a_full_disk_is_the_reason_and_holds_the_folds_behind_it(
    tmp_path: Path, small_disk: Path
) -> None:
    """Fold 2 fills it and exits with 0; what fold 1 has left stays counted, fold 3 is not run."""
    fill = (
        "if fold == 2:\n"
        "    file = os.open(os.path.join(own, 'checkpoint'), os.O_WRONLY | os.O_CREAT)\n"
        "    try:\n"
        "        while True: os.write(file, b'x' * 512)\n"
        "    except OSError: pass\n"
        f"if fold == 3: open({str(tmp_path / 'begun')!r}, 'w').close()\n"
    )
    code, err = end_of(start(small_disk, fill))
    assert code == 1, err
    assert "its result could not be written: No space left on device" in err
    held = (
        "fold 3 failed: no room on the file system of the run: No space left on device; make room"
    )
    assert held in err
    assert not (tmp_path / "begun").exists()
    summary = small_disk / "run" / "summary.json"
    assert not summary.exists() or finished(small_disk) == [1]
    assert (small_disk / "run" / "fold-1" / "result.json").exists()


@pytest.mark.parametrize(
    ("number", "missing"),
    [(errno.EIO, [2]), (errno.ENOSPC, [2, 3]), (errno.EDQUOT, [2, 3]), (errno.EROFS, [2, 3])],
)
def test_what_no_fold_can_write_to_holds_the_rest_and_what_one_cannot_is_its_own(
    tmp_path: Path, number: int, missing: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second result is refused with that error."""

    @contextmanager
    def refusing(path: str) -> Iterator[str]:
        if "fold-2/result." in path:
            raise OSError(number, os.strerror(number), path)
        with replacing(path) as aside:
            yield aside

    monkeypatch.setattr(durable_files, "replacing", refusing)
    runner = runner_of(tmp_path, "", folds=3)
    assert runner.run().missing == missing
    refused = reason(OSError(number, os.strerror(number)))
    why = f"its result could not be written: {refused}"
    assert runner.failures[2].reason == f"no result: {why}"
    assert [failure.outcome for failure in runner.failures.values()][1:] == ["not started"] * (
        len(missing) - 1
    )


def test_streams_that_nobody_reads_hold_no_run_up(tmp_path: Path) -> None:
    """As behind a pager that waits; the summary is written all the same."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write_end, bytes(4096))
    os.set_blocking(write_end, True)
    process = start(tmp_path, "print('\\n' * 1000)", stdout=subprocess.DEVNULL, stderr=write_end)
    os.close(write_end)
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(read_end)
    assert finished(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize(("fails", "code"), [("", 0), ("if fold == 2: sys.exit(5)", 1)])
def test_full_or_closed_streams_change_no_exit_code(tmp_path: Path, fails: str, code: int) -> None:
    """It tells of the folds."""
    with open("/dev/full", "wb") as full:
        process = start(tmp_path / "full", fails, stdout=full, stderr=full)
        assert end_of(process)[0] == code
    closed = start(
        tmp_path / "closed",
        fails,
        preexec_fn=lambda: os.closerange(0, 3),
        stdout=None,
        stderr=None,
    )
    assert end_of(closed)[0] == code
    assert finished(tmp_path / "closed") == ([1, 3] if code else [1, 2, 3])
    assert (tmp_path / "closed" / "run" / ".lock").read_bytes() == b""


def test_no_escape_sequence_of_a_path_reaches_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in what a run says nor in what is wrong with it."""
    place = str(tmp_path / "\x1b[31mrun")
    assert (
        main(["run", "--output", place, "--", sys.executable, "-c", "import sys; sys.exit(3)"]) == 1
    )
    (tmp_path / "\x1b[31mfile").write_text("")
    assert main(["run", "--output", str(tmp_path / "\x1b[31mfile"), "--", "true"]) == 2
    out, err = capfd.readouterr()
    assert "\x1b[31m" not in out + err
    assert "results: " in out


def test_a_result_that_a_fold_left_itself_never_counts(tmp_path: Path) -> None:
    """It fails and leaves a forged one, with a folder in the place where that is moved to; nor when it is resumed."""
    code = (
        "if fold == 2:\n"
        "    whole = open(own.replace('fold-2', 'fold-1') + '/result.json').read()\n"
        "    forged = whole.replace('\"fold\": 1', '\"fold\": 2')\n"
        "    open(own + '/result.json', 'w').write(forged)\n"
        "    os.makedirs(own + '/result.json.of-the-fold/x')\n"
        "    sys.exit(5)\n"
    )
    for options in ((), ("--resume-mode", "auto")):
        status, err = end_of(start(tmp_path, code, *options))
        assert status == 1, err
        assert finished(tmp_path) == [1, 3]
        assert not (tmp_path / "run/fold-2/result.json").exists()


def test_a_result_of_a_fold_that_did_not_run_or_failed_is_none(tmp_path: Path) -> None:
    """Another fold has put it there, from its own; neither this run nor a resumed one takes it."""
    code = (
        "if fold == 1: sys.exit(4)\n"
        "if fold == 3:\n"
        "    whole = open(own.replace('fold-3', 'fold-2') + '/result.json').read()\n"
        "    open(own.replace('fold-3', 'fold-1') + '/result.json', 'w').write(whole.replace('\"fold\": 2', '\"fold\": 1'))\n"
    )
    for options in ((), ("--resume-mode", "auto")):
        status, err = end_of(start(tmp_path, code, *options))
        assert status == 1, err
        assert finished(tmp_path) == [2, 3]


@pytest.mark.parametrize("kind", ["link to a folder", "hard links", "metrics", "a file"])
def test_what_a_fold_puts_in_a_later_one_s_place_is_moved_away(tmp_path: Path, kind: str) -> None:
    """Nothing is written into where it leads, and no number of it is a result."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("own")
    plant = {
        "link to a folder": f"os.symlink({str(victim)!r}, later)",
        "hard links": "os.mkdir(later)\n"
        "    for name in ('journal.jsonl', 'output.log'):\n"
        f"        os.link({str(victim / 'file')!r}, os.path.join(later, name))",
        "metrics": "os.mkdir(later)\n"
        "    open(os.path.join(later, 'metrics.json'), 'w').write('{\"loss\": 99}')",
        "a file": "open(later, 'w').close()",
    }[kind]
    code = f"if fold == 1:\n    later = own.replace('fold-1', 'fold-2')\n    {plant}"
    status, err = end_of(start(tmp_path, code))
    assert status == 0, err
    assert finished(tmp_path) == [1, 2, 3]
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert (victim / "file").read_text() == "own"
    assert content(tmp_path / "run/fold-2/result.json")["metrics"] == {}
    assert os.path.lexists(tmp_path / "run/previous-1/fold-2")
    assert "fold 2: files that were there before it began are in" in err


def test_a_run_whose_lock_was_removed_is_not_said_to_be_whole(tmp_path: Path) -> None:
    """Another run may have written into its directory."""
    status, err = end_of(start(tmp_path, "if fold == 1: os.remove(os.path.join(run, '.lock'))"))
    assert status == 1
    assert "its lock was removed" in err


def test_a_folder_that_an_earlier_fold_has_opened_to_everybody_is_closed(tmp_path: Path) -> None:
    """It is private as one that the runner makes."""
    code = "if fold == 1: os.umask(0); os.mkdir(own.replace('fold-1', 'fold-2'), 0o777)"
    status, err = end_of(start(tmp_path, code))
    assert status == 0, err
    assert (tmp_path / "run/fold-2").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_moves_no_earlier_result(small_disk: Path) -> None:
    """A run that can write nothing leaves the run before it as it was, and says what to do."""
    assert end_of(start(small_disk, ""))[0] == 0
    before = sorted(os.listdir(small_disk / "run"))
    fill(small_disk / "filler")
    code, err = end_of(start(small_disk, ""))
    assert (code, sorted(os.listdir(small_disk / "run"))) == (2, before), err
    assert "No space left on device; make room there" in err
    assert "nothing was moved aside or run" in err
    assert finished(small_disk) == [1, 2, 3]


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))


@pytest.mark.root
def test_a_fold_s_own_file_system_holds_no_other_fold(tmp_path: Path) -> None:
    """Fold 2 mounts a read-only one on its own directory."""
    need(os.geteuid() == 0, "root, to mount a tmpfs")
    own = tmp_path / "run" / "fold-2"
    mount = "if fold == 2: os.system(f'mount -t tmpfs -o ro tmpfs {own}')\n"
    code, err = end_of(start(tmp_path, mount))
    subprocess.run(["umount", "-l", str(own)], check=True)
    assert (code, finished(tmp_path)) == (1, [1, 3]), err
    assert "fold 2 failed: no result: its result could not be written: Read-only" in err


def test_a_summary_that_cannot_be_written_is_never_pointed_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where folds have failed, the one in the directory is told to be none of this run."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(FoldOutcomes, "conclude", concluding(FoldOutcomes.conclude, refuse))
    code = main(["run", "--output", str(tmp_path / "run"), "--", "false"])
    out = capsys.readouterr().out
    assert code == 1
    assert "results: in no file; the summary cannot be written: Read-only file system" in out
    assert "summary.json" not in out


def concluding(conclude: Callable[..., Any], refuse: Callable[..., None]) -> Callable[..., Any]:
    """Return ``conclude`` with a summary that nobody can write."""

    def instead(outcomes: FoldOutcomes, summary_of_files: Callable[[], Any]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Summary, "write", refuse)
            return conclude(outcomes, summary_of_files)

    return instead


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_result_out_of_reach_is_said_to_be_so_and_stays(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk or server is away at the end: it was not changed, and a later run counts it."""
    runner = runner_of(tmp_path, "", folds=2)
    conclude = FoldOutcomes.conclude

    def away(path: str) -> Any:
        if path.endswith("fold-1/result.json"):
            raise OSError(number, os.strerror(number), path)
        return open_regular(path)

    def instead(outcomes: FoldOutcomes, summary_of_files: Callable[[], Any]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fold_result, "open_regular", away)
            return conclude(outcomes, summary_of_files)

    monkeypatch.setattr(FoldOutcomes, "conclude", instead)
    assert runner.run().missing == [1]
    told = f"its result cannot be read any more: {os.strerror(number)}"
    assert runner.failures[1].reason.startswith(told)
    assert sorted(os.listdir(tmp_path / "run" / "fold-1")) == [
        "journal.jsonl",
        "output.log",
        "result.json",
    ]


@pytest.mark.parametrize(
    ("plant", "finish"),
    [
        ("os.chmod(os.path.join(run, '.leases'), 0)", [1, 2, 3]),
        ("os.mkdir(os.path.join(run, 'fold-2'), 0)", [1, 2, 3]),
        ("os.mkdir(os.path.join(run, 'fold-3'), 0o500)", [1, 2, 3]),
        ("os.chmod(run, 0o500)", [1, 2, 3]),
        ("os.chmod(run, 0)", [2, 3]),  # its own result has no place
    ],
)
def test_a_mode_that_a_fold_sets_costs_no_later_fold(
    tmp_path: Path, plant: str, finish: list[int]
) -> None:
    """The folders are the same user's, who may open them again."""
    code, err = end_of(start(tmp_path, f"if fold == 1: {plant}", preexec_fn=as_anybody))
    assert (code, finished(tmp_path)) == (int(len(finish) < 3), finish), err


def as_anybody() -> None:
    """Let modes count for what is run next, also for root: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


@pytest.mark.parametrize("kind", ["a file", "a link"])
def test_a_fold_that_replaces_its_directory_and_fails_has_failed_by_itself(
    tmp_path: Path, kind: str
) -> None:
    """Its exit code is the reason, not that nothing can be written there; nothing is written behind a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put = "open(own, 'w').close()" if kind == "a file" else f"os.symlink({str(elsewhere)!r}, own)"
    code, err = end_of(start(tmp_path, f"shutil.rmtree(own); {put}; sys.exit(3)"))
    assert code == 1
    assert "fold 2: exited with 3" in err or "fold 1: exited with 3" in err, err
    assert "could not be written" not in err
    assert not list(elsewhere.iterdir())
