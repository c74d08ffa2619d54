"""`KernelLog`: what the kernel's log says of a process from now on.

Format of /dev/kmsg: Documentation/ABI/testing/dev-kmsg. Its PIDs are those of the host.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

PATH = "/dev/kmsg"
RECORD_BYTES = 2**13
"""A read with less room fails (CONSOLE_EXT_LOG_MAX)."""
MOST_RECORDS = 100_000
MOST_LINES = 200
INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO, include/linux/proc_ns.h."""


class KernelLog:
    """The lines that come after this was made; none where the log may not be read, as in most containers."""

    def __init__(self, pid: int, *, path: str = PATH) -> None:
        """Begin at its present end."""
        names = "|".join(re.escape(one) for one in sorted(_cgroups_of(pid)))
        self._about = re.compile(
            rf"(?<!\d){pid}(?!\d)" + (rf"|(?:{names})(?![\w./-])" if names else "")
        )
        self._descriptor: int | None = None
        with suppress(OSError):
            if os.stat("/proc/self/ns/pid").st_ino == INITIAL_PID_NAMESPACE:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                os.lseek(self._descriptor, 0, os.SEEK_END)

    def lines(self) -> list[str]:
        """Return those that name the process or its cgroup, as dmesg prints them; the last MOST_LINES."""
        found: list[str] = []
        if self._descriptor is None:
            return found
        for _ in range(MOST_RECORDS):
            try:
                record = os.read(self._descriptor, RECORD_BYTES)
            except BrokenPipeError:  # older ones were overwritten
                continue
            except OSError:  # there are no more
                break
            if not record:
                break
            line = _line(record)
            if self._about.search(line):
                found.append(line)
        return found[-MOST_LINES:]

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _cgroups_of(pid: int) -> set[str]:
    """Return the cgroups of a process, but the root, which is everybody's."""
    with suppress(OSError), open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
        return {line.rstrip("\n").split(":", 2)[-1] for line in file} - {"/", ""}
    return set()


# 6,1234,98765432,-;Out of memory: Killed process 812 (python)
def _line(record: bytes) -> str:
    """Return a record as dmesg prints it, without the properties that follow it."""
    head, _, text = record.decode("utf-8", "replace").partition(";")
    fields = head.split(",")
    microseconds = int(fields[2]) if len(fields) > 2 and fields[2].isdecimal() else 0
    return f"[{microseconds / 1e6:12.6f}] {text.partition(chr(10))[0]}"
