"""How a process ended that is no child: of a real one, which another one has started and reaps."""

from __future__ import annotations

import select
import subprocess
import sys

import pytest

from telemetry.kernel.process_handle import ProcessHandle
from tests.support.processes import tells_endings_of_others

PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE)\n"
    "print(child.pid, flush=True)\n"
    "sys.stdin.readline()\n"
    "child.stdin.close()\n"
    "if sys.argv[2] == 'reap': child.wait(); print('reaped', flush=True)\n"
    "sys.stdin.readline()\n"
)


def started(end: str, reap: str) -> tuple[subprocess.Popen[str], ProcessHandle]:
    """Start a process that starts another one, which ends as ``end`` says once the first gets a line."""
    child = f"import os, sys; sys.stdin.read(); {end}"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, child, reap],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, ProcessHandle(int(parent.stdout.readline()))


def tell(parent: subprocess.Popen[str]) -> None:
    assert parent.stdin is not None
    parent.stdin.write("\n")
    parent.stdin.flush()


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6)],
)
def test_the_status_of_another_s_child_is_told(end: str, code: int) -> None:
    """Where the kernel keeps it; None while it lives, and where the kernel is older."""
    parent, handle = started(end, "reap")
    with parent:
        assert (handle.has_ended(), handle.exit_code(wait_seconds=0)) == (False, None)
        tell(parent)
        assert select.select([handle], [], [], 60)[0]
        assert handle.has_ended()
        # An older kernel tells until it is reaped: a moment.
        told = {code} if tells_endings_of_others() else {code, None}
        assert handle.exit_code(wait_seconds=60) in told
        tell(parent)
    handle.close()


@pytest.mark.parametrize(("end", "code"), [("sys.exit(3)", 3), ("os.abort()", -6)])
def test_one_that_nobody_reaps_is_not_waited_for_for_good(end: str, code: int) -> None:
    """The wait is as long as it was asked for; its stat file says how it ended."""
    parent, handle = started(end, "leave")
    with parent:
        tell(parent)
        assert select.select([handle], [], [], 60)[0]
        assert handle.exit_code(wait_seconds=0.02) == code
        tell(parent)
    handle.close()


def test_a_process_that_is_gone_cannot_be_held() -> None:
    """Its number is nobody's."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(ProcessLookupError):
        ProcessHandle(child.pid)
