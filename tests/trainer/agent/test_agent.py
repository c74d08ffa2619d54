"""The agent as a scheduler starts it: ``python -m trainer.agent ORDER.json``, real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.errors import InputError
from tests.support.paths import ROOT
from tests.support.processes import parent_of, state_of
from tests.support.requirements import need
from tests.support.waiting import wait_for_end, wait_until
from trainer.agent.exit_code import ExitCode
from trainer.agent.order import Order, decode_order
from trainer.run.directory import RunDirectory
from trainer.run.lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SECONDS = 60
MARK = "import os, sys, time; open(sys.argv[1], 'a').write(str(os.getpid()) + chr(10)); "


def order(place: Path, code: str, **how: Any) -> Order:
    command = (sys.executable, "-c", MARK + code, str(place / "pids"))
    known: dict[str, Any] = {"run_dir": str(place / "run"), "folds": 3, "fold": 1}
    return Order(config_digest="c", **({"command": command} | known | how))


def start(place: Path, wanted: Order) -> subprocess.Popen[str]:
    """Start an agent with its order in a file."""
    RunDirectory(str(place / "run")).create()
    path = place / f"order-{os.urandom(4).hex()}.json"
    path.write_text(wanted.encode())
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.agent", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of(agent: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for its end; return its exit code and what it said."""
    try:
        out, err = agent.communicate(timeout=SECONDS)
    finally:
        agent.kill()
    assert out == ""
    assert "Traceback" not in err, err
    return agent.returncode, err


def workers(place: Path, count: int = 1) -> list[int]:
    """Wait until so many processes of folds run; return them."""
    mark = place / "pids"

    def marked() -> list[int]:
        lines = mark.read_text().split("\n")[:-1] if mark.exists() else []
        return [int(line) for line in lines] if len(lines) >= count else []

    return wait_until(marked, SECONDS, f"{count} processes of folds")


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("code", "how", "expected"),
    [
        ("pass", {}, ExitCode.FINISHED),
        ("sys.exit(7)", {}, ExitCode.FAILED),
        ("raise ValueError('mine')", {}, ExitCode.FAILED),
        ("time.sleep(600)", {"timeout_seconds": 0.5}, ExitCode.LIMIT),
        ("pass", {"run_dir": "/proc/none"}, ExitCode.NOT_STARTED),
        ("pass", {"command": ("/no/such program",)}, ExitCode.NOT_STARTED),
    ],
    ids=["finished", "exit code", "exception", "timeout", "no directory", "no program"],
)
def test_its_exit_code_tells_a_scheduler_what_to_do(
    tmp_path: Path, code: str, how: dict[str, Any], expected: ExitCode
) -> None:
    """And the files of the run hold the same."""
    status, err = end_of(start(tmp_path, order(tmp_path, code, **how)))
    assert status == expected, err
    fold = tmp_path / "run" / "fold-1"
    if "run_dir" not in how:
        assert (fold / "result.json").exists() == (expected == ExitCode.FINISHED)
        assert (fold / "failure.json").exists() == (expected != ExitCode.FINISHED)
        assert sorted(path.name for path in fold.iterdir() if ".1-" in path.name) == []


@pytest.mark.root
def test_a_limit_is_told_apart_from_the_fold_s_own_failure(tmp_path: Path) -> None:
    """By the kernel's counter, of a cgroup that the agent makes and removes."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    name = f"foldwatch-test-{os.getpid()}"
    wanted = order(
        tmp_path, "held = b'x' * 400_000_000", memory_bytes=100 * 2**20, cgroup_name=name
    )
    assert end_of(start(tmp_path, wanted))[0] == ExitCode.LIMIT
    failure = content(tmp_path / "run/fold-1/failure.json")
    assert failure["causes"][0]["cause"] == "cgroup_memory"
    assert failure["causes"][0]["standing"] == "certain"
    assert not [folder for folder, *_ in os.walk("/sys/fs/cgroup") if name in folder]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_agent_stops_the_fold_and_says_so(tmp_path: Path, number: int) -> None:
    """As a scheduler cancels or preempts a job."""
    agent = start(tmp_path, order(tmp_path, "time.sleep(600)"))
    (worker,) = workers(tmp_path)
    agent.send_signal(number)
    assert end_of(agent)[0] == ExitCode.STOPPED
    wait_for_end(worker)
    assert content(tmp_path / "run/fold-1/failure.json")["outcome"] == "interrupted"


def test_it_ends_with_its_starter(tmp_path: Path) -> None:
    """Which is at the other end of its standard input; what it runs ends, too."""
    RunDirectory(str(tmp_path / "run")).create()
    own, theirs = socket.socketpair()
    agent = subprocess.Popen(
        [sys.executable, "-m", "trainer.agent"], cwd=ROOT, stdin=theirs.fileno()
    )
    theirs.close()
    own.sendall(order(tmp_path, "time.sleep(600)").encode().encode() + b"\n")
    (worker,) = workers(tmp_path)
    own.close()
    assert agent.wait(SECONDS) == ExitCode.STOPPED
    wait_for_end(worker)
    failure = content(tmp_path / "run/fold-1/failure.json")
    assert failure["reason"] == "interrupted: what had started it has ended"


def test_one_that_was_started_ahead_and_is_not_needed_ends(tmp_path: Path) -> None:
    """Without an order, and without a word."""
    own, theirs = socket.socketpair()
    agent = subprocess.Popen(
        [sys.executable, "-m", "trainer.agent"],
        cwd=ROOT,
        stdin=theirs.fileno(),
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    own.close()
    assert agent.communicate(timeout=SECONDS)[1] == ""
    assert agent.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("_", range(2))
def test_a_lease_that_was_taken_over_ends_the_one_that_was_stopped(tmp_path: Path, _: int) -> None:
    """One result, of the second; the first ends at once when it goes on, and what it ran with it."""
    wait = f"p = {str(tmp_path / 'go')!r}\nwhile not os.path.exists(p): time.sleep(0.01)"
    wanted = order(tmp_path, wait, lease_seconds=1.0)
    first = start(tmp_path, wanted)
    (one,) = workers(tmp_path)
    first.send_signal(signal.SIGSTOP)
    second = start(tmp_path, wanted)
    workers(tmp_path, 2)
    (tmp_path / "go").touch()
    assert end_of(second)[0] == ExitCode.FINISHED
    result = tmp_path / "run/fold-1/result.json"
    written = result.read_bytes()
    first.send_signal(signal.SIGCONT)
    assert end_of(first)[0] == ExitCode.LEASE_LOST
    wait_for_end(one)
    assert result.read_bytes() == written
    found = RunDirectory(str(tmp_path / "run")).result(1)
    assert found is not None
    assert found.attempt.startswith("2-")
    assert not (tmp_path / "run/fold-1/failure.json").exists()


def test_a_fold_that_another_agent_runs_is_not_begun(tmp_path: Path) -> None:
    """The one that holds the lease and renews it goes on."""
    wanted = order(tmp_path, "time.sleep(600)", lease_seconds=0.5)
    first = start(tmp_path, wanted)
    (worker,) = workers(tmp_path)
    code, err = end_of(start(tmp_path, wanted))
    assert code == ExitCode.LEASE_LOST
    assert f"fold 1: process {first.pid} on " in err
    assert workers(tmp_path) == [worker]
    first.terminate()
    assert end_of(first)[0] == ExitCode.STOPPED


PLANT = (
    "import glob, shutil; one, = glob.glob(sys.argv[1].replace('pids', 'run/.leases/fold-1.1'));"
    "shutil.copy(one, one[:-1] + '7'); "
)


@pytest.mark.parametrize("then", ["pass", "sys.exit(7)"])
def test_whose_lease_is_lost_as_its_fold_ends_writes_nothing(tmp_path: Path, then: str) -> None:
    """Neither a result nor a failure: another's may lie there."""
    code, err = end_of(start(tmp_path, order(tmp_path, PLANT + then)))
    assert code == ExitCode.LEASE_LOST, err
    assert not {"result.json", "failure.json"} & set(os.listdir(tmp_path / "run/fold-1"))


def test_whose_lease_is_lost_while_it_waits_for_room_begins_nothing(tmp_path: Path) -> None:
    """What the other one has written stays where it is."""
    wanted = order(tmp_path, "pass", need={"rss_bytes": 2**60}, lease_seconds=1.0)
    waiting = start(tmp_path, wanted)
    lease = tmp_path / "run/.leases/fold-1.1"
    wait_until(lease.exists, SECONDS, "its lease")
    waiting.send_signal(signal.SIGSTOP)
    assert end_of(start(tmp_path, order(tmp_path, "pass", lease_seconds=1.0)))[0] == 0
    waiting.send_signal(signal.SIGCONT)
    assert end_of(waiting)[0] == ExitCode.LEASE_LOST
    found = RunDirectory(str(tmp_path / "run")).result(1)
    assert found is not None
    assert found.attempt.startswith("2-")


STOPS_BEFORE = """
import os, signal, sys
from trainer.agent.fold_failure import FoldFailure
from trainer.run.directory import RunDirectory
owner, name = {"disown": (RunDirectory, "disown_result"), "write": (FoldFailure, "write")}[sys.argv[1]]
whole = getattr(owner, name)
def stopped(*values, **named):
    os.kill(os.getpid(), signal.SIGSTOP)
    return whole(*values, **named)
setattr(owner, name, stopped)
from trainer.agent.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("moment", ["disown", "write"])
def test_whoever_is_stopped_as_it_writes_harms_no_later_result(tmp_path: Path, moment: str) -> None:
    """Between the last look at its lease and what it does then."""
    RunDirectory(str(tmp_path / "run")).create()
    path = tmp_path / "order.json"
    path.write_text(order(tmp_path, "sys.exit(7)", lease_seconds=1.0).encode())
    program = [sys.executable, "-c", STOPS_BEFORE, moment, str(path)]
    first = subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: state_of(first.pid) == "T", SECONDS, "the agent to be stopped")
    assert end_of(start(tmp_path, order(tmp_path, "pass", lease_seconds=1.0)))[0] == 0
    first.send_signal(signal.SIGCONT)
    assert end_of(first)[0] == ExitCode.LEASE_LOST
    found = RunDirectory(str(tmp_path / "run")).result(1)
    assert found is not None
    assert found.attempt.startswith("2-")
    assert not (tmp_path / "run/fold-1/failure.json").exists()


def test_a_finished_fold_is_not_run_again(tmp_path: Path) -> None:
    """A scheduler may repeat a task that it thinks lost."""
    wanted = order(tmp_path, "pass")
    assert end_of(start(tmp_path, wanted))[0] == ExitCode.FINISHED
    code, err = end_of(start(tmp_path, wanted))
    assert (code, err) == (ExitCode.FINISHED, "foldwatch: fold 1: finished already\n")
    assert len(workers(tmp_path)) == 1


def test_a_lease_that_its_fold_has_spoilt_costs_no_result(tmp_path: Path) -> None:
    """Nobody else holds one that can be read."""
    spoil = "open(sys.argv[1].replace('pids', 'run/.leases/fold-1.1'), 'w').close()"
    assert end_of(start(tmp_path, order(tmp_path, spoil)))[0] == ExitCode.FINISHED
    assert RunDirectory(str(tmp_path / "run")).result(1) is not None


def test_without_a_runner_no_room_is_told_and_has_an_end(tmp_path: Path) -> None:
    """Nobody would refuse the fold."""
    RunDirectory(str(tmp_path / "run")).create()
    path = tmp_path / "order.json"
    path.write_text(order(tmp_path, "pass", need={"rss_bytes": 2**60}).encode())
    code = (
        "import sys, trainer.agent.agent as agent; agent.ADMISSION_SECONDS = 0.1\n"
        "from trainer.agent.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    status, err = end_of(agent)
    assert status == ExitCode.NOT_STARTED
    assert err.startswith("foldwatch: fold 1: waiting for headroom; ")
    assert content(tmp_path / "run/fold-1/failure.json")["outcome"] == "refused"


def test_who_waited_until_the_fold_was_finished_does_not_repeat_it(tmp_path: Path) -> None:
    """It is as good as if it had run it."""
    wait = f"p = {str(tmp_path / 'go')!r}\nwhile not os.path.exists(p): time.sleep(0.01)"
    first = start(tmp_path, order(tmp_path, wait))
    workers(tmp_path)
    second = start(tmp_path, order(tmp_path, wait))
    assert second.stderr is not None
    assert second.stderr.readline().startswith("foldwatch: fold 1: waits, since process")
    (tmp_path / "go").touch()
    assert (end_of(first)[0], end_of(second)[0]) == (ExitCode.FINISHED, ExitCode.FINISHED)
    assert len(workers(tmp_path)) == 1


def test_a_process_for_several_folds_ends_if_one_is_not_to_be_had(tmp_path: Path) -> None:
    """Its starter would wait for ever."""
    RunDirectory(str(tmp_path / "run")).create()
    Lease.take(str(tmp_path / "run"), "fold-2")
    code = "import sys; sys.stdin.read()"
    command = (sys.executable, "-c", code)
    wanted = order(tmp_path, "", fold=None, is_persistent=True, command=command, lease_seconds=0.2)
    own, theirs = socket.socketpair()
    with theirs:
        agent = subprocess.Popen(
            [sys.executable, "-m", "trainer.agent"], cwd=ROOT, stdin=theirs.fileno()
        )
    with own:
        own.sendall(wanted.encode().encode() + b'\n{"give": 2}\n')
        assert agent.wait(SECONDS) == ExitCode.LEASE_LOST


def test_a_stopped_one_ends_with_what_started_it(tmp_path: Path) -> None:
    """As a scheduler's step that is killed."""
    path = tmp_path / "order.json"
    path.write_text(order(tmp_path, "time.sleep(600)").encode())
    RunDirectory(str(tmp_path / "run")).create()
    script = '"$0" -m trainer.agent "$1"; :'
    step = subprocess.Popen(["sh", "-c", script, sys.executable, str(path)], cwd=ROOT)
    (worker,) = workers(tmp_path)
    agent = parent_of(parent_of(worker))
    os.kill(agent, signal.SIGSTOP)
    step.kill()
    step.wait()
    for pid in (worker, agent):
        wait_for_end(pid, SECONDS)


def test_a_killed_agent_leaves_nothing_that_runs(tmp_path: Path) -> None:
    """Its supervisor ends the fold."""
    agent = start(tmp_path, order(tmp_path, "time.sleep(600)"))
    (worker,) = workers(tmp_path)
    supervisor = parent_of(worker)
    assert parent_of(supervisor) == agent.pid
    agent.kill()
    for pid in (worker, supervisor):
        wait_for_end(pid)
    agent.communicate()


@pytest.mark.parametrize(
    "line",
    [
        *("", "{}", "[]", '{"run_dir": 5}', '{"folds": 1e400}', "\x00", "[" * 100_000),
        '{"run_dir": "/r", "folds": 1, "fold": 2, "command": ["a"], "config_digest": ""}',
        '{"run_dir": "/r", "folds": 1, "fold": 0, "command": ["a"], "config_digest": ""}',
        '{"run_dir": "/r", "folds": 1, "fold": 1, "command": [], "config_digest": ""}',
        '{"run_dir": "r", "folds": 1, "fold": 1, "command": ["a"], "config_digest": ""}',
        '{"run_dir": "/r", "folds": 1, "fold": 1, "command": ["\\ud800"], "config_digest": ""}',
        *(
            '{"run_dir": "/r", "folds": 1, "fold": 1, "command": ["a"], "config_digest": "", "'
            f'{variables}": {{"{name}": "c"}}}}'
            for variables in ("environment", "caps")
            for name in ("A=B", "", "\\u0000")
        ),
    ],
)
def test_what_is_no_order_is_one_line_and_exit_code_2(tmp_path: Path, line: str) -> None:
    """Whatever is in the file, or in its place."""
    path = tmp_path / "order.json"
    path.write_text(line)
    with pytest.raises(InputError, match="not an order for an agent"):
        decode_order(line)
    command = [sys.executable, "-m", "trainer.agent", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == ExitCode.NOT_STARTED
    assert done.stderr.startswith("foldwatch: not an order for an agent: ")
    assert done.stderr.count("\n") == 1


def test_an_order_comes_back_as_it_was() -> None:
    """Bytes of an argument that are no text included."""
    wanted = Order(
        run_dir="/r",
        folds=5,
        fold=2,
        command=("a", "\udcff", "{b}\n"),
        config_digest="d",
        caps={"A": "1"},
        need={"rss_bytes": 7},
        is_ahead=True,
        lock=9,
    )
    assert decode_order(wanted.encode()) == wanted
