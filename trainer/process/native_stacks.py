"""``python -m trainer.process.native_stacks PID SINCE UNTIL``: what started the threads of a process, from outside.

Prints one JSON object: the threads by name, entry function and library, and for how many seconds the process was
stopped; or why that cannot be told. Nothing else of the process is in it. It ends itself after LONGEST_SECONDS, whatever
it waits for, and with its parent. One that is ended while it attaches leaves the other process stopped: what started it
has to continue that one.

SINCE and UNTIL are clock ticks since boot; threads that started between them are counted apart.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from telemetry.kernel.process_identity import has_ended
from telemetry.kernel.tasks import pool_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pystack.types import NativeFrame, PyThread

LONGEST_SECONDS = 5.0
"""Between the first thread that is stopped and the end, however it comes. TensorFlow's 108 threads take 1.2."""
MOST_THREADS = 5000
"""Of a process that is looked at."""
MOST_FILE_MAPS = 10_000
"""The same; they take 0.6 s, and twice as many eight times that. Anonymous maps hardly count."""
MOST_KINDS = 100
LONGEST_NAME = 200
PR_SET_PDEATHSIG = 1
"""include/uapi/linux/prctl.h"""
_OF_EVERY_THREAD = re.compile(r"(libc|libpthread|libstdc\+\+|libc\+\+|ld-linux|ld-musl)(?![\w+])")
"""Libraries through which every thread starts."""
_WRAPPER = re.compile(r"(\w+ )?(std::|__gnu_cxx::)|.*\bPThread::ThreadFn$")
"""Functions that only call another one: of C++, and of TensorFlow's threads."""
_UNKNOWN = "???"
"""What pystack calls a function or a library that it does not know."""


class ThreadStart(NamedTuple):
    """A thread before it was looked at."""

    pool: str
    """Its name, without the number."""
    ticks: int


class Entry(NamedTuple):
    """What is told of a thread."""

    pool: str
    is_python: bool
    """Whether Python code runs in it: which line started it is known otherwise."""
    function: str | None
    library: str | None


def main(arguments: list[str]) -> int:
    """Look at the process once and print what was found."""
    pid, since, until = map(int, arguments)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    print(json.dumps(look(pid, since=since, until=until)), flush=True)
    return 0


def look(pid: int, *, since: int, until: int) -> dict[str, object]:
    """Return what is told of the threads of a process: which is stopped meanwhile.

    Args:
        pid: The process.
        since: In clock ticks since boot, from when a thread counts as grown.
        until: Until when.
    """
    try:
        started = read_starts(pid)
        if words := too_large(len(started), count_file_maps(pid)):
            return {"why": words}
        # Loaded before anything is stopped.
        from pystack.engine import NativeReportingMode, get_process_threads  # noqa: PLC0415

        signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
        began = time.monotonic()
        threads = list(get_process_threads(pid, native_mode=NativeReportingMode.ALL))
        seconds = time.monotonic() - began
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error:  # noqa: BLE001 - whatever pystack raises, it is only said
        return {"why": "the process had ended" if has_ended(pid) else reason_of(error)}
    return {"threads": kinds_of(threads, started, since, until, pid=pid), "seconds": seconds}


def reason_of(error: Exception) -> str:
    """Say in one line why nothing is told."""
    words = " ".join(str(error).split()) or type(error).__name__
    if "not permitted" in words:
        return (
            "this process may not trace it (ptrace): yama, seccomp or the container's capabilities"
        )
    return f"pystack: {words}"[:LONGEST_NAME]


def too_large(threads: int, file_maps: int) -> str | None:
    """Say what of a process would make the look at it too long; None where nothing does."""
    for count, most, what in (
        (threads, MOST_THREADS, "threads"),
        (file_maps, MOST_FILE_MAPS, "maps of files"),
    ):
        if count > most:
            return (
                f"it has {count:,} {what}: with more than {most:,} it would be stopped for too long"
            )
    return None


def count_file_maps(pid: int) -> int:
    """Return how many maps of a process are of files, as those of memory that processes share are. Raises OSError."""
    with open(f"/proc/{pid}/maps", "rb") as file:
        return sum(b"/" in line for line in file)


def read_starts(pid: int) -> dict[int, ThreadStart]:
    """Return the threads of a process and when each started. Raises OSError."""
    folder, found = f"/proc/{pid}/task", {}
    for tid in os.listdir(folder):
        try:
            with open(f"{folder}/{tid}/stat", "rb") as file:
                head, _, fields = file.read().rpartition(b")")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        name = head.partition(b"(")[2].decode("utf-8", "replace")
        found[int(tid)] = ThreadStart(pool_name(name), int(fields.split()[19]))
    return found


def kinds_of(
    threads: Iterable[PyThread],
    started: Mapping[int, ThreadStart],
    since: int,
    until: int,
    *,
    pid: int,
) -> list[dict[str, object]]:
    """Count the threads of a kind, all and those that started in between; the first one of a process is none."""
    counts: Counter[Entry] = Counter()
    grown: Counter[Entry] = Counter()
    for thread in threads:
        before = started.get(thread.tid)
        if before is None or thread.tid == pid:
            continue
        kind = Entry(before.pool, True, None, None)  # noqa: FBT003 - its fields in their order
        if thread.frame is None:
            kind = Entry(before.pool, False, *entry_of(thread.native_frames))  # noqa: FBT003 - as above
        counts[kind] += 1
        grown[kind] += since < before.ticks <= until
    kept = sorted(counts, key=lambda kind: (-grown[kind], -counts[kind]))[:MOST_KINDS]
    return [
        {name: value for name, value in kind._asdict().items() if value is not None}
        | {"running": counts[kind], "grown": grown[kind]}
        for kind in kept
    ]


def entry_of(frames: Iterable[NativeFrame]) -> tuple[str | None, str | None]:
    """Return the outermost function that is not the same for every thread, and its library; None for what is not known.

    Args:
        frames: The outermost first.
    """
    for function, library in _named(frames):
        if library is not None and _OF_EVERY_THREAD.match(library):
            continue
        if function is None or not _WRAPPER.match(function):
            return function, library
    return None, None


def _named(frames: Iterable[NativeFrame]) -> Iterator[tuple[str | None, str | None]]:
    for frame in frames:
        library = os.path.basename(frame.library or "")
        yield (
            short_symbol(frame.symbol or ""),
            None if library in {"", _UNKNOWN} else library[:LONGEST_NAME],
        )


def short_symbol(symbol: str) -> str | None:
    """Return a demangled name without its arguments, ``Pool::Loop`` for ``Pool::Loop(int)``; None for an unknown one."""
    symbol = symbol.removesuffix(" (inlined)").removesuffix(" const")
    if symbol in {"", _UNKNOWN}:
        return None
    if symbol.endswith(")"):
        depth = 0
        for at in range(len(symbol) - 1, 0, -1):
            depth += {")": 1, "(": -1}.get(symbol[at], 0)
            if not depth:
                symbol = symbol[:at]
                break
    return symbol[:LONGEST_NAME]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
