"""What a log prints of a limit by itself, and how far away a limit was: evidence of what may be, or hardly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import IN_A_LOG, NEARLY_FULL, Evidence, of_limit, peak_usage
from analyzer.processes.printed_limits import DEFAULT_MAX_MAPS
from analyzer.signatures.signature import TASKS
from telemetry.formatting import format_amount
from telemetry.limits import LIMITS
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.processes.printed_limits import PrintedLimit
    from analyzer.processes.process import Process

FAR_STEPS = 10
"""A limit with more than so many of the largest steps left is far away."""
POOL_TASKS = 32
"""What the thread pools of one library take at once, on a machine of no more than so many cores."""
_FAR = {"pids_cgroup": 1_000, "max_map_count": 10_000}
"""Left of a limit, at least, for it to be far away: a library that loads takes hundreds at once."""
PRINTED_KEPT = 120
"""Characters of a printed limit that are shown."""
_PRINTED_IS_ALL = frozenset({"nproc", "address_space", "data_size", "locked_memory", "open_files"})
"""Limits of a process: one that is printed as unlimited is none. Of a cgroup there may be levels above."""
_COUNTED = frozenset(
    {
        "nproc",
        "pids_cgroup",
        "threads_max",
        "pid_max",
        "open_files",
        "max_map_count",
        "address_space",
    }
)
"""Limits whose use people ask for apart: a count of theirs is held against the least limit that is printed."""
_OF_ONE_PROCESS = frozenset({"address_space", "data_size"})
"""Limits on what one process may reserve, in use or not."""
_ASKED = re.compile(
    r"\b(?:(?:re)?alloc\w*|vector of size|request for|[mc]alloc of size)(?: (?:memory|of|failed|a|buffer|size))*[ :]+\(?"
    r"(?P<amount>\d+(?:\.\d+)?) ?(?P<unit>[KMGTkmgt]?)i?[Bb]",
)
"""What a message says that was asked for: numpy, R, PyTorch, Arrow, Rust."""
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
HALF = 0.5
"""Of a limit on the memory of one process: who asks for as much at once is refused by it."""
_LMDB = re.compile(r"\blmdb\b|\bmdb_", re.IGNORECASE)


def printed_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Give what the log itself prints of the limit: a shell, docker, a scheduler, free."""
    of_cause = [one for one in process.printed_limits if one.cause == cause]
    most = min((one.limit for one in of_cause if isinstance(one.limit, int)), default=None)
    if most is None and cause == "nproc":
        most = _of_openblas(process)
    for printed in of_cause:
        where = f"line {printed.line}: {printed.text[:PRINTED_KEPT]}"
        limit = printed.limit
        if limit is LimitState.INVISIBLE and cause in _COUNTED:
            limit = most or _default_of(cause, printed.current) or limit
        if printed.hits is not None:
            yield _counter_evidence(cause, printed.hits, where)
        elif printed.is_asked:
            yield from _asked_evidence(process, printed, most, where)
        elif printed.limit is LimitState.UNLIMITED and cause in _PRINTED_IS_ALL:
            yield Evidence(Confidence.RULED_OUT, f"no such limit ({where})")
        elif isinstance(limit, int) and printed.current is not None:
            ratio = printed.current / limit if limit else 0.0
            words = f"{of_limit(cause, printed.current, limit)} in use ({where})"
            is_full = ratio >= NEARLY_FULL
            yield Evidence(Confidence.LIKELY if is_full else Confidence.POSSIBLE, words)
        else:
            yield Evidence(Confidence.POSSIBLE, f"the log prints it ({where})")
            yield from _least_evidence(process, printed, where)


def _of_openblas(process: Process) -> int | None:
    """Return the limit on the user's tasks that OpenBLAS prints below a thread that was refused; None without one."""
    sign = process.matches.get("openblas_nproc")
    soft = 0 if sign is None else int(sign.details["soft"])
    return soft if soft > 0 else None


def _default_of(cause: str, current: int | None) -> int | None:
    """Return the limit that the kernel begins with, if the use comes near it; else it may be another by now."""
    if cause != "max_map_count" or current is None:
        return None
    is_near = current / DEFAULT_MAX_MAPS >= NEARLY_FULL and current <= DEFAULT_MAX_MAPS + 2
    return DEFAULT_MAX_MAPS if is_near else None


def _least_evidence(process: Process, printed: PrintedLimit, where: str) -> Iterator[Evidence]:
    """Hold a limit on the memory of one process against what its host had left: the lesser one is met first."""
    if printed.cause not in _OF_ONE_PROCESS or not isinstance(printed.limit, int):
        return
    asked = _asked_bytes(process)
    if HALF * printed.limit <= asked:
        words = f"{format_amount(asked, is_bytes=True)} were asked for at once, of {format_amount(printed.limit, is_bytes=True)}"
        yield Evidence(Confidence.LIKELY, f"{words} ({where})")
        return
    left = [
        one.limit - one.current
        for one in process.printed_limits
        if one.cause == "host_memory" and isinstance(one.limit, int) and one.current is not None
    ]
    others = [
        one.limit
        for one in process.printed_limits
        if one.cause == "cgroup_memory" and isinstance(one.limit, int)
    ]
    if left and printed.limit < min((*left, *others)):
        host = format_amount(min(left), is_bytes=True)
        own = format_amount(printed.limit, is_bytes=True)
        words = f"{own} for the process, and {host} were left on the host"
        yield Evidence(Confidence.LIKELY, f"{words} ({where})")


def _asked_bytes(process: Process) -> int:
    """Return how much the allocation that failed asked for; 0 where its message does not say so."""
    said = None if process.crash is None else _ASKED.search(process.crash.text)
    if said is None:
        return 0
    return round(float(said["amount"]) * _UNITS[(said["unit"] or "")[:1].upper()])


def _counter_evidence(cause: str, hits: int, where: str) -> Evidence:
    """Weigh a counter of the cgroup; which cgroup it is of, and since when it counts, is not known."""
    done = "refused a task" if cause == "pids_cgroup" else "killed for memory"
    if hits:
        return Evidence(Confidence.LIKELY, f"the kernel {done} {hits:,} times there ({where})")
    return Evidence(Confidence.UNLIKELY, f"the kernel has not {done} there ({where})")


def _asked_evidence(
    process: Process, printed: PrintedLimit, most: int | None, where: str
) -> Iterator[Evidence]:
    """Hold a map that LMDB was to make against the limit; what else failed did not ask for it."""
    crash, asked = process.crash, printed.current or 0
    is_of_lmdb = crash is not None and _LMDB.search(f"{crash.text} {crash.details.get('frame')}")
    if is_of_lmdb and most is not None and asked > most:
        words = f"{format_amount(asked, is_bytes=True)} were asked for at once, of {format_amount(most, is_bytes=True)}"
        yield Evidence(Confidence.LIKELY, f"{words} ({where})")


def step_evidence(cause: str, process: Process) -> Evidence | None:
    """Weigh what was left of a limit against the largest steps that this run has made towards it.

    A limit that is further away than any step of the run, by far, was hardly met: it would have taken
    a jump that the run never made. One that the next stage has used up before may well have been.
    """
    usage = peak_usage(cause, process)
    resource = IN_A_LOG.get(cause, "rss_bytes" if cause == "host_memory" else None)
    if usage is None or usage.current is None or not isinstance(usage.limit, int):
        return None
    left = usage.limit - usage.current
    largest, usual = process.checkpoints.steps(resource) if resource else (None, None)
    if usual is not None and usual >= left > 0:
        words = f"{_amount_of(cause, left)} were left, and the stage that was to come took {_amount_of(cause, usual)} in an earlier fold"
        return Evidence(Confidence.LIKELY, words)
    if cause in TASKS and left <= POOL_TASKS:
        words = f"{left} were left, no more than the pools of one library take"
        return Evidence(Confidence.LIKELY, words)
    largest = max(largest or 0, _first_value(resource, process) or 0) or usage.current
    if left > max(FAR_STEPS * largest, _FAR.get(cause, 0)):
        words = f"{_amount_of(cause, left)} were left, and the largest step of this run was {_amount_of(cause, largest)}"
        return Evidence(Confidence.UNLIKELY, words)
    return None


def _first_value(resource: str | None, process: Process) -> int | None:
    values = process.checkpoints.known(resource) if resource else None
    return values[0] if values else None


def _amount_of(cause: str, value: int) -> str:
    return format_amount(value, is_bytes=LIMITS[cause].is_bytes)
