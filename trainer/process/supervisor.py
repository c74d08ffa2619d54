"""The process between the runner and one fold: whatever dies, nothing of the fold outlives it.

Run by its path, ``python -I -S supervisor.py CONTROL CGROUPS COMMAND...``, on the standard library
alone, so that it starts in a moment and stays small. It is the subreaper of all that the command
starts (man 2 prctl, PR_SET_CHILD_SUBREAPER), so that what made itself a daemon stays below it. The
command gets SIGKILL from the kernel if the supervisor is killed itself. Messages on the socket
CONTROL, a line each:

    it says      pid N             the command's process is there, in its cgroups, and waits
                 failed WHY        there is none; that is all that it says
                 ended CODE LEFT   how it ended (negative: a signal), and how many processes would
                                   not die; all others are gone
    it is told   start, terminate (SIGTERM to the command's group), kill (everything)
                 end of file: the runner has died, or has taken note of the end

CGROUPS are folders, separated by newlines, that the command joins before it runs and that are
removed at the end. It must not know what a fold is.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
"""include/uapi/linux/prctl.h"""
KILL_SECONDS = 5.0
"""How long it is tried: a process in an uninterruptible wait (state D) does not die before that ends."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> bool:
    """Have the kernel send SIGKILL when the parent ends; whether ``parent`` is that still."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def adopts_orphans() -> bool:
    """Whether this process does so."""
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    return bool(answer.value)


def descendants(spared: Container[int] = ()) -> list[int]:
    """Return the processes below this one, without those in ``spared`` and what is below them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            # 42 (a name) S 41 ...: the name may hold anything, so look behind its last bracket.
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), ()) if pid not in spared]
        found += below
        waiting += below
    return found


def kill_descendants(spared: Container[int] = (), *, cgroups: Sequence[str] = ()) -> int:
    """Kill them round after round, as one may fork meanwhile; return how many would not die."""
    deadline = time.monotonic() + KILL_SECONDS
    while left := {*descendants(spared), *members(cgroups)}:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(ChildProcessError):
                reap(pid)
        if time.monotonic() > deadline:
            return len(left)
        time.sleep(0.005)
    return 0


def members(cgroups: Sequence[str]) -> list[int]:
    """Return the processes in these cgroups."""
    pids = []
    for folder in cgroups:
        with (
            suppress(OSError),
            open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file,
        ):
            pids += [int(line) for line in file if int(line)]  # 0: of another PID namespace
    return pids


_statuses: dict[int, int] = {}
"""Exit code by process that was reaped; the first one is the command's."""


def reap(pid: int) -> bool:
    """Take note of the end of child ``pid`` (-1: any), if it has ended; whether one had."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        _statuses.setdefault(ended, os.waitstatus_to_exitcode(status))
    return bool(ended)


def main(arguments: Sequence[str]) -> int:
    """Supervise one command until it has ended and the runner knows."""
    for name in os.listdir("/proc/self/fd"):  # what the runner handed down is not the command's
        with suppress(OSError):
            os.set_inheritable(int(name), int(name) <= 2)
    control = socket.socket(fileno=int(arguments[0]))
    cgroups = arguments[1].split("\n") if arguments[1] else []
    adopt_orphans()
    woken = _wake_on_signals()
    try:
        command, gate = _fork(arguments[2:], cgroups, runner=control)
    except OSError as error:  # no descriptor, no process or no memory left
        _say(control, f"failed {error.strerror}")
        return 1
    gate.recv(1)  # it is in its cgroups now, or has failed to join them and ends
    _say(control, f"pid {command}")
    is_runner_there = _serve(control, command, gate, woken)
    left = kill_descendants(cgroups=cgroups)
    if is_runner_there:
        _say(control, f"ended {_statuses.get(command, -signal.SIGKILL)} {left}")
        while control.recv(64):  # it reads the counters of the cgroups before they go
            pass
    remove(cgroups)
    return 0


def remove(cgroups: Sequence[str]) -> None:
    """Remove them; one stays busy for a moment after its last process was reaped."""
    deadline = time.monotonic() + 1.0
    while left := [folder for folder in cgroups if os.path.isdir(folder)]:
        for folder in left:
            with suppress(OSError):
                os.rmdir(folder)
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


def _wake_on_signals() -> int:
    """Return a descriptor on which every signal that matters shows as a byte of its number."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _fork(
    command: Sequence[str], cgroups: Sequence[str], *, runner: socket.socket
) -> tuple[int, socket.socket]:
    """Start the process that becomes the command as soon as it hears something through the gate."""
    supervisor = os.getpid()
    gate, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        return pid, gate
    try:
        runner.close()
        gate.close()
        os.setsid()
        has_parent = die_with(supervisor)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # what is ignored stays so through exec
        for folder in cgroups:
            with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
        theirs.send(b"r")
        if has_parent and theirs.recv(1):
            os.execvp(command[0], list(command))  # noqa: S606 - a command's arguments are its own
    except OSError as error:
        where = error.filename or command[0]
        os.write(2, os.fsencode(f"foldwatch: cannot run {where}: {error.strerror}\n"))
    os._exit(127)


def _serve(control: socket.socket, command: int, gate: socket.socket, woken: int) -> bool:
    """Do what is told until the command has ended or has to; whether the runner is still there."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(woken, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == woken:
                signals = os.read(woken, 512)
                with suppress(ChildProcessError):
                    while reap(-1):
                        pass
                if command in _statuses or signal.SIGTERM in signals:
                    return True
                continue
            orders = _receive(control)
            if not orders or b"kill" in orders:
                return bool(orders)
            if b"start" in orders:
                with suppress(OSError):
                    gate.send(b"s")
            if b"terminate" in orders:
                with suppress(OSError):
                    os.killpg(command, signal.SIGTERM)


def _receive(control: socket.socket) -> bytes:
    try:
        return control.recv(512)
    except OSError:
        return b""


def _say(control: socket.socket, words: str) -> None:
    with suppress(OSError):  # the runner is gone, which the next look at the socket says
        control.sendall(f"{words}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
