"""The process between the runner and one fold: whichever dies, no process of the fold outlives it.

Run by its path, ``python -I -S supervisor.py CONTROL CGROUPS COMMAND...``, on the standard library
alone, so that it starts quickly and stays small. It is the subreaper of every process that the command
starts (man 2 prctl, PR_SET_CHILD_SUBREAPER), so daemons stay below it, too. If the supervisor itself is
killed, the kernel sends SIGKILL to the command. Messages on the socket CONTROL, a line each:

    sends        pid N             the command's process exists, in its cgroups, and waits
                 failed REASON     there is none; no other message follows
                 ended CODE LEFT   its exit code (negative: a signal), and the number of processes that
                                   could not be killed; all others have ended
    receives     start, terminate (SIGTERM to the command's group), kill (every process),
                 noted (the end, with the counters of the cgroups)
                 end of file: the runner has died, or has noted the end

CGROUPS are folders, separated by newlines, that the command joins before it runs and that are
removed at the end.
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
COUNTERS_SECONDS = 1.0
"""For the counters of the cgroups to be read by somebody who cannot say that they were."""
KILL_SECONDS = 5.0
"""The time to kill in: a process in an uninterruptible wait (state D) dies only after it."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def signal_at_end_of(parent: int, number: int) -> bool:
    """Let the kernel send this signal when the parent ends; return whether that is still ``parent``."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    return os.getppid() == parent


def adopts_orphans() -> bool:
    """Whether this process adopts orphans."""
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer))
    return bool(answer.value)


def descendants(spared: Container[int] = ()) -> list[int]:
    """Return the processes below this one, without those in ``spared`` and their descendants."""
    children: dict[int, list[int]] = {}
    for name in _names("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            # 42 (a name) S 41 ...: the name may hold anything, so look behind its last bracket.
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    below, pending = [], [os.getpid()]
    while pending:
        own = [pid for pid in children.get(pending.pop(), ()) if pid not in spared]
        below += own
        pending += own
    return below


def kill_descendants(spared: Container[int] = (), *, cgroups: Sequence[str] = ()) -> int:
    """Kill them repeatedly, since one may fork meanwhile; return how many could not be killed.

    Parents go first: one that sees its child die may still write, or exit as it likes.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while left := dict.fromkeys([*descendants(spared), *members(cgroups)]):
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


def end_orphans(spared: Container[int]) -> None:
    """Let what is left below end by itself, as its own supervisor sees to, then kill it."""
    deadline = time.monotonic() + KILL_SECONDS
    while (left := descendants(spared)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ChildProcessError):
                reap(pid)
        time.sleep(0.005)
    kill_descendants(spared)


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
    """Note the exit code of child ``pid`` (-1: any) if it has ended; return whether one had."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        _statuses.setdefault(ended, os.waitstatus_to_exitcode(status))
    return bool(ended)


def main(arguments: Sequence[str]) -> int:
    """Supervise one command until it has ended and the runner knows."""
    for name in _open_descriptors():  # the command inherits none of the runner's
        with suppress(OSError):
            os.set_inheritable(int(name), int(name) <= 2)
    control = socket.socket(fileno=int(arguments[0]))
    cgroups = arguments[1].split("\n") if arguments[1] else []
    adopt_orphans()
    signals = _signal_descriptor()
    try:
        command, gate = _fork(arguments[2:], cgroups, runner=control)
    except OSError as error:  # no descriptor, no process or no memory left
        _send(control, f"failed {error.strerror}")
        return 1
    gate.recv(1)  # it is in its cgroups now, or has failed to join them and ends
    _send(control, f"pid {command}")
    is_runner_there = _serve(control, command, gate, signals)
    left, is_noted = kill_descendants(cgroups=cgroups), False
    if is_runner_there:
        _send(control, f"ended {_statuses.get(command, -signal.SIGKILL)} {left}")
        while message := _receive(control):  # it reads the counters of the cgroups before they go
            is_noted |= b"noted" in message
    if cgroups and not is_noted:  # it has died: whoever started it reads them now
        time.sleep(COUNTERS_SECONDS)
    remove(cgroups)
    return 0


def _open_descriptors() -> Sequence[str]:
    return _names("/proc/self/fd") or [str(number) for number in range(1024)]


def _names(folder: str) -> Sequence[str]:
    """Return the names in a folder of /proc, which a container may lack."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


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


def _signal_descriptor() -> int:
    """Return a descriptor from which the number of each SIGCHLD and SIGTERM can be read, as a byte."""
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
    """Start the process that becomes the command as soon as it receives a byte through the gate."""
    supervisor = os.getpid()
    gate, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        return pid, gate
    try:
        runner.close()
        gate.close()
        os.setsid()
        has_parent = signal_at_end_of(supervisor, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # an ignored signal stays ignored through exec
        for folder in cgroups:
            with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
        theirs.send(b"r")
        if has_parent and theirs.recv(1):
            os.execvp(command[0], list(command))  # noqa: S606 - a command's arguments are its own
    except OSError as error:
        path = error.filename or command[0]
        os.write(2, os.fsencode(f"foldwatch: cannot run {path}: {error.strerror}\n"))
    os._exit(127)


def _serve(control: socket.socket, command: int, gate: socket.socket, signals: int) -> bool:
    """Follow the runner's commands until the fold's has ended or must; return whether the runner lives."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(signals, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == signals:
                numbers = os.read(signals, 512)
                with suppress(ChildProcessError):
                    while reap(-1):
                        pass
                if command in _statuses or signal.SIGTERM in numbers:
                    return True
                continue
            message = _receive(control)
            if not message or b"kill" in message:
                return bool(message)
            if b"start" in message:
                with suppress(OSError):
                    gate.send(b"s")
            if b"terminate" in message:
                for number in (signal.SIGTERM, signal.SIGCONT):  # what is stopped hears nothing
                    with suppress(OSError):
                        os.killpg(command, number)


def _receive(control: socket.socket) -> bytes:
    try:
        return control.recv(512)
    except OSError:
        return b""


def _send(control: socket.socket, line: str) -> None:
    with suppress(OSError):  # the runner is gone, as the next read of the socket shows
        control.sendall(f"{line}\n".encode())


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # at once: it holds the run's lock
