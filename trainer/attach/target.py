"""`Target`: a process that runs already, held so that its PID cannot come to mean another one; and how it is found."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from telemetry.errors import InputError
from telemetry.kernel.process_handle import ProcessHandle
from telemetry.kernel.process_identity import start_ticks
from telemetry.kernel.procfs import parse_status
from telemetry.masking import masked
from telemetry.thread_line import clean_label
from telemetry.user_regex import compile_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from telemetry.kernel.procfs import ProcessStatus

MOST_BYTES = 2**16
"""Of a command line or an environment."""
EXEC_SECONDS = 0.5
"""For which an exec may have taken the old command line away and not set the new one."""
NAMED = 5
"""Processes that a refusal names."""
CGROUP_FILESYSTEM = "/sys/fs/cgroup"


class Target:
    """A process of somebody else's."""

    def __init__(self, pid: int) -> None:
        """Take hold of it. Raises InputError: there is none, it is a thread or one of the kernel's, or it has ended."""
        try:
            self.handle = ProcessHandle(pid)
        except ProcessLookupError as error:
            raise InputError(f"process {pid}: there is none") from error
        except OSError as error:
            raise InputError(f"process {pid}: {error.strerror}; is it a thread?") from error
        self.pid = pid
        self.start_ticks = start_ticks(pid)
        self.command = _settled_command(pid)
        if not self.command or self.handle.has_ended():
            self.handle.close()
            raise InputError(f"process {pid}: it has ended, or is one of the kernel's")
        self.environment = _environment_of(pid)

    def __str__(self) -> str:
        """What to call it: ``process 812 (python train.py)``."""
        return named(self.pid, self.command)

    @property
    def age_seconds(self) -> float | None:
        """How long it has been running; None if that cannot be read."""
        if self.start_ticks is None:
            return None
        began = self.start_ticks / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)

    def standard_output(self) -> str | None:
        """Return the regular file that it writes its standard output to; None if that is none."""
        with suppress(OSError):
            path = os.readlink(f"/proc/{self.pid}/fd/1")
            if os.path.isfile(path):
                return path
        return None


def named(pid: int, command: Iterable[str]) -> str:
    """Return what to call a process."""
    return f"process {pid} ({clean_label(' '.join(masked(tuple(command))))[:100]})"


def command_of(pid: int) -> tuple[str, ...]:
    """Return the command line of a process; empty for one of the kernel's, a dead one, or a hidden one."""
    return _words(f"/proc/{pid}/cmdline")


def _settled_command(pid: int) -> tuple[str, ...]:
    """Return the command line of a process that may be in the midst of an exec; its name if it was given none."""
    until = time.monotonic() + EXEC_SECONDS
    while not (command := command_of(pid)) and (status := _status_of(pid)):
        if status.rss_bytes is None:  # a zombie, or one of the kernel's
            break
        if time.monotonic() > until:
            return (f"[{''.join(_words(f'/proc/{pid}/comm')).strip()}]",)  # as ps shows it
        time.sleep(0.001)
    return command


def _environment_of(pid: int) -> Mapping[str, str]:
    """Return what it was started with; empty where that may not be read."""
    pairs = (word.partition("=") for word in _words(f"/proc/{pid}/environ"))
    return {name: value for name, _, value in pairs if name}


def _words(path: str) -> tuple[str, ...]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, MOST_BYTES).rstrip(b"\0")
        finally:
            os.close(descriptor)
    except OSError:
        return ()
    return tuple(text.decode("utf-8", "replace").split("\0")) if text else ()


class Candidate(NamedTuple):
    """A process that may be meant."""

    pid: int
    command: tuple[str, ...]


def find_by_name(expression: str, *, option: str = "--name") -> int:
    """Return the process whose command line matches; of one tree its root.

    Raises:
        InputError: None matches, or several that are of no one tree.
    """
    matches = matching(expression, option=option)
    return _only_root(matches, f"{option} {expression!r}")


def matching(expression: str, *, option: str) -> list[Candidate]:
    """Return the processes whose command line matches, but this one and those above it. Raises InputError."""
    pattern, own = compile_expression(expression, option=option), lineage(os.getpid())
    found = ((pid, command_of(pid)) for pid in pids() if pid not in own)
    return [
        Candidate(pid, words) for pid, words in found if words and pattern.search(" ".join(words))
    ]


def find_in_cgroup(path: str) -> int:
    """Return the first process of a cgroup or one below it: a container's own.

    Args:
        path: Of its folder, or as /proc/PID/cgroup has it.

    Raises:
        InputError: There is no such cgroup, or no process in it that can be seen.
    """
    places = [path, os.path.join(CGROUP_FILESYSTEM, path.lstrip("/"))]
    folder = next(
        (one for one in places if os.path.isfile(os.path.join(one, "cgroup.procs"))), None
    )
    if folder is None:
        raise InputError(f"--cgroup {path}: no cgroup; name its folder below {CGROUP_FILESYSTEM}")
    members = [pid for above, _, _ in os.walk(folder) for pid in _members(above)]
    found = [Candidate(pid, words) for pid in members if (words := command_of(pid))]
    started = sorted(found, key=lambda one: (start_ticks(one.pid) or 0, one.pid))
    if not started:
        raise InputError(f"--cgroup {path}: no process in it that can be seen from here")
    return roots(started)[0].pid


def _members(folder: str) -> list[int]:
    with suppress(OSError), open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
        return [int(line) for line in file if line.strip() != "0"]  # 0: of another PID namespace
    return []


def _only_root(found: list[Candidate], asked: str) -> int:
    tops = roots(found)
    if not tops:
        raise InputError(f"{asked}: no process has such a command line")
    if len(tops) > 1:
        some = "; ".join(named(*one) for one in tops[:NAMED])
        more = f"; and {len(tops) - NAMED} more" if len(tops) > NAMED else ""
        raise InputError(f"{asked}: {len(tops)} processes match, name one by its PID: {some}{more}")
    return tops[0].pid


def roots(found: list[Candidate], *, also: Iterable[int] = ()) -> list[Candidate]:
    """Return those that are below no other of them, nor below one of ``also``."""
    above = {one.pid for one in found} | set(also)
    return [one for one in found if not (lineage(one.pid) - {one.pid}) & above]


def lineage(pid: int) -> set[int]:
    """Return a process and all above it."""
    seen: set[int] = set()
    while pid > 0 and pid not in seen:
        seen.add(pid)
        pid = _parent_of(pid)
    return seen


def _parent_of(pid: int) -> int:
    status = _status_of(pid)
    return (status.parent_pid or 0) if status else 0


def _status_of(pid: int) -> ProcessStatus | None:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return parse_status(file.read())
    except (OSError, ValueError):
        return None


def pids() -> list[int]:
    """Return every process that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
