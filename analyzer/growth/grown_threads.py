"""What started the threads that there are more of. Pure: one look at a process's threads, and how its pools grew, in.

The look tells which threads started in the fold. Of a pool some may have ended in it as well, so that what has started
is not all growth: of what the pool has grown by, at least that part is of one function that no thread of another one can
account for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from analyzer.growth.grown_parts import MOST_PARTS, GrownPart
from analyzer.growth.pool_leaks import find_pool_leaks
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.growth.pool_leaks import PoolLeak
    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Process
    from analyzer.processes.native_threads import NativeThreads

LEAST_SHARE = 0.1
ALIKE = 2.0
"""The fold's growth over that of a fold in the middle, or the other way around: further apart, the fold was no usual one."""
LONGEST_REASON = 400
RESOURCES_OF_THREADS = ("threads", "cgroup_pids", "tree_threads")


def with_threads(growth: Mapping[str, Growth], process: Process) -> dict[str, Growth]:
    """Add to the growth of threads what started them, where a look at the process tells."""
    changed, look = dict(growth), process.native_threads
    if look is None or not look.kinds:
        return changed
    leaks = find_pool_leaks(process)
    for name in RESOURCES_OF_THREADS:
        one = growth.get(name)
        if one is not None and one.verdict.is_alarming and one.slope:
            threads = find_grown_threads(look, leaks, one.slope)
            changed[name] = replace(one, grown=(*one.grown, *threads))
    return changed


def find_grown_threads(
    look: NativeThreads, leaks: Sequence[PoolLeak], slope: float
) -> tuple[GrownPart, ...]:
    """Tell which entry functions and libraries the threads are of that grew by ``slope`` a fold, the most first."""
    pools = next((leak.pools for leak in leaks if leak.fold == look.fold), {})
    total = sum(pools.values())
    if not slope / ALIKE <= total <= slope * ALIKE:
        return ()
    started: Counter[str] = Counter()
    for kind in look.kinds:
        started[kind.pool] += kind.grown
    parts = []
    for kind in look.kinds:
        of_others = started[kind.pool] - kind.grown
        share = min(kind.grown, pools.get(kind.pool, 0) - of_others) / total
        is_told = not kind.is_python and (kind.function or kind.library)
        if is_told and share >= LEAST_SHARE:
            own = kind.library, share * slope, share, kind.function
            parts.append(GrownPart("thread", kind.pool, *own))
    return tuple(sorted(parts, key=lambda part: -part.share)[:MOST_PARTS])


def look_note(look: NativeThreads | None, growth: Mapping[str, Growth]) -> Iterator[str]:
    """Say that the process was stopped for a look at its threads, or why it was not, if they grow."""
    if look is None:
        return
    if look.why is None:
        words = f"to see what had started its threads, the process was stopped for {look.seconds or 0:.1f} s"
        yield f"{words} after fold {look.fold}"
    elif any(growth[name].verdict.is_alarming for name in RESOURCES_OF_THREADS if name in growth):
        why = clean_label(look.why[:LONGEST_REASON])
        yield f"which library started the threads that grow is not known: {why}"
