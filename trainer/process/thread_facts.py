"""`ProcessFacts`: what the kernel says of where each thread of a process waits. Nothing here stops it, or waits for it."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass

from telemetry.kernel.procfs import status_value
from telemetry.rank import rank_of

MOST_THREADS = 200
MOST_ENVIRONMENT = 2**16
_CALLS = {
    "x86_64": """0 read, 1 write, 2 open, 7 poll, 9 mmap, 17 pread64, 19 readv, 23 select, 34 pause, 35 nanosleep,
        42 connect, 43 accept, 44 sendto, 45 recvfrom, 47 recvmsg, 56 clone, 58 vfork, 61 wait4, 62 kill, 65 semop, 72 fcntl,
        73 flock, 74 fsync, 128 rt_sigtimedwait, 202 futex, 230 clock_nanosleep, 232 epoll_wait, 247 waitid, 257 openat,
        270 pselect6, 271 ppoll, 281 epoll_pwait, 288 accept4, 435 clone3""",
    "aarch64": """22 epoll_pwait, 25 fcntl, 32 flock, 56 openat, 63 read, 64 write, 67 pread64, 72 pselect6, 73 ppoll,
        82 fsync, 95 waitid, 98 futex, 101 nanosleep, 115 clock_nanosleep, 129 kill, 193 semop, 202 accept, 203 connect,
        206 sendto, 207 recvfrom, 212 recvmsg, 220 clone, 260 wait4, 435 clone3""",
}
"""System calls in which a program waits, by number: arch/*/entry/syscalls and include/uapi/asm-generic/unistd.h."""
_NAMES = dict(one.split() for one in _CALLS.get(platform.machine(), "").split(",") if one)
_OF_A_FILE = frozenset(
    {
        *("read", "write", "pread64", "readv", "fcntl", "flock", "fsync"),
        *("accept", "accept4", "connect", "sendto", "recvfrom", "recvmsg"),
    }
)
"""Those whose first argument is a descriptor."""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """Where one thread is."""

    tid: int
    name: str
    state: str
    """By its letter: ``S`` sleeps."""
    call: str
    """The system call that it is in, with what it is of; empty if that is not known, or it runs."""
    wait_channel: str
    """The kernel's function that it sleeps in; empty if that is not known."""

    @property
    def where(self) -> str:
        """Say where in one or two words."""
        return self.call or self.wait_channel or self.state


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What is known of a process without stopping it."""

    pid: int
    rank: str
    threads: tuple[ThreadFacts, ...]
    """The main thread first."""

    @property
    def state(self) -> str:
        """The letter of its main thread's state; empty where it is gone."""
        return self.threads[0].state if self.threads else ""

    @property
    def where(self) -> str:
        """Where its main thread is."""
        return self.threads[0].where if self.threads else "?"


def facts_of(pid: int) -> ProcessFacts:
    """Return what the kernel says of ``pid``; of one that is gone, no thread."""
    tids: list[int] = []
    with suppress(OSError):
        tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")), key=lambda tid: (tid != pid, tid))
    threads = [one for tid in tids[:MOST_THREADS] if (one := _thread(pid, tid)) is not None]
    return ProcessFacts(pid, _rank(pid), tuple(threads))


def _thread(pid: int, tid: int) -> ThreadFacts | None:
    folder = f"/proc/{pid}/task/{tid}"
    status = _read(f"{folder}/status")
    if not status:
        return None
    state = status_value(status, b"State") or b"?"
    name = _read(f"{folder}/comm").decode("utf-8", "replace").strip()
    channel = _read(f"{folder}/wchan").decode("ascii", "replace")
    return ThreadFacts(
        tid,
        "".join(c if c.isprintable() else "?" for c in name),
        state.decode("ascii", "replace"),
        _call(pid, _read(f"{folder}/syscall").split()),
        "" if channel == "0" else channel,
    )


# 202 0x7f00 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc 0x7fd4      (or "running", or "-1 ..." in no system call)
def _call(pid: int, words: list[bytes]) -> str:
    if len(words) < 2 or not words[0].isdigit():
        return ""
    number = words[0].decode("ascii")
    name = _NAMES.get(number, f"system call {number}")
    if name not in _OF_A_FILE:
        return name
    with suppress(OSError, ValueError):
        target = os.readlink(f"/proc/{pid}/fd/{int(words[1], 16)}")
        return f"{name} of {''.join(c if c.isprintable() else '?' for c in target[:200])}"
    return name


def _rank(pid: int) -> str:
    known = {}
    for entry in _read(f"/proc/{pid}/environ").split(b"\0"):
        name, separator, value = entry.decode("utf-8", "replace").partition("=")
        if separator:
            known[name] = value
    return rank_of(known).number


def _read(path: str) -> bytes:
    """Return the begin of a file; empty where it may not be read."""
    with suppress(OSError), open(path, "rb", buffering=0) as file:
        return file.read(MOST_ENVIRONMENT) or b""
    return b""
