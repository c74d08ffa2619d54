"""Whether a process is still there, for real processes, and where nobody can tell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from telemetry.kernel.process_identity import ProcessIdentity, is_alive, own_identity

SAY_WHO = (
    "from telemetry.kernel.process_identity import own_identity\n"
    "print(*own_identity(), flush=True)\ninput()\n"
)


def test_a_process_is_there_until_it_ends_reaped_or_not() -> None:
    """By what it said of itself."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SAY_WHO]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        boot_id, namespace, pid, start_ticks = child.stdout.readline().decode().split()
        identity = ProcessIdentity(boot_id, int(namespace), int(pid), int(start_ticks))
        assert identity.pid == child.pid
        assert is_alive(identity) is True
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert is_alive(identity) is False
        child.wait()
        assert is_alive(identity) is False


def test_another_process_with_its_number_is_not_it() -> None:
    """The kernel gives numbers again."""
    own = own_identity()
    assert is_alive(own) is True
    assert is_alive(own._replace(start_ticks=(own.start_ticks or 0) - 1)) is False


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"boot_id": "00000000-0000-0000-0000-000000000000"},
        {"boot_id": None},
        {"pid_namespace": 7},
        {"pid_namespace": None},
        {"start_ticks": None},
    ],
)
def test_of_a_process_elsewhere_nothing_is_told(elsewhere: dict[str, str | int | None]) -> None:
    """Another host, another boot, another container, an older record."""
    own = own_identity()
    assert is_alive(own._replace(**elsewhere)) is None  # type: ignore[arg-type] # one part of each type


def test_numbers_that_no_kernel_gives_are_no_process() -> None:
    """They come from a file that anybody may have written."""
    own = own_identity()
    assert is_alive(own._replace(pid=2**63)) is not True
    assert is_alive(own._replace(pid=-1)) is not True
