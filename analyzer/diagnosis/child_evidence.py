"""What the readings of child processes say for a cause: how full a limit was that each process has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import AT_FAILURE_SECONDS, NEARLY_FULL, Evidence, of_limit
from telemetry.limits import LIMITS, USED_BY
from telemetry.reading import OWN_LIMITS

if TYPE_CHECKING:
    from analyzer.processes.children import FullestChild
    from analyzer.processes.process import Process

MOST_SECONDS_AHEAD = 3.0
"""How far a count is carried on, at most."""


def child_evidence(cause: str, process: Process) -> Evidence | None:
    """Weigh the child that was nearest to its own limit; None if the process itself was nearer, or no child is known.

    Proof is a reading at the limit itself, at the failure. So is one that was about to be: a count at the failure that
    meets the limit, at the rate of the last two counts, before the next reading: that found less, or no such child.
    """
    fullest = process.children.fullest.get(cause) if process.children else None
    if fullest is None:
        return None
    usage, own = fullest.usage.usage(cause), process.fullest.get(cause)
    own_ratio = own.usage(cause).ratio if own else None
    if usage.ratio is None or usage.current is None or usage.ratio <= (own_ratio or 0.0):
        return None
    child = fullest.usage
    numbers = f"{of_limit(cause, usage.current, usage.limit)} ({usage.ratio:.0%}) in {child.name}"
    seconds = _seconds_before_end(fullest, process)
    if seconds is not None and LIMITS[cause].full_is_proof:
        if (usage.headroom or 0) <= _spare(cause):
            words = f"at the limit: {numbers}, read {seconds:.1f} s before the end"
            return Evidence(Confidence.CERTAIN, words)
        if (ahead := _seconds_to_limit(cause, fullest, process)) is not None:
            words = f"met the limit: {numbers}, read {seconds:.1f} s before the end, and {ahead:.1f} s before"
            return Evidence(
                Confidence.CERTAIN, f"{words} the limit at the rate of its last two counts"
            )
    if usage.ratio >= NEARLY_FULL:
        return Evidence(Confidence.LIKELY, f"nearly full at its peak: {numbers}")
    return Evidence(Confidence.POSSIBLE, f"peak {numbers}")


def named_child(cause: str, process: Process) -> str | None:
    """Return role and PID of the child that speaks for ``cause``; None if none does."""
    found = child_evidence(cause, process)
    if found is None or found.confidence not in {Confidence.CERTAIN, Confidence.LIKELY}:
        return None
    if process.children is None:
        return None
    return process.children.fullest[cause].usage.name


def met_by_child(process: Process) -> list[str]:
    """Return the limits of which it is proven that a child met its own at the failure."""
    return [
        cause
        for cause in OWN_LIMITS
        if (found := child_evidence(cause, process)) and found.confidence == Confidence.CERTAIN
    ]


def _spare(cause: str) -> int:
    """Return how many may be left at the limit: a thread needs two maps, its stack and the guard page below it."""
    return 1 if cause == "max_map_count" else 0


def _seconds_before_end(fullest: FullestChild, process: Process) -> float | None:
    """Return how long before the end the reading was, if that is at the failure."""
    if process.exit is None:
        return None
    seconds = process.exit.time - fullest.time
    return seconds if 0 <= seconds <= AT_FAILURE_SECONDS else None


def _seconds_to_limit(cause: str, fullest: FullestChild, process: Process) -> float | None:
    """Return after how long the limit was met, at the last rate; None if it was not before the next reading, or that is far."""
    headroom = fullest.usage.usage(cause).headroom
    per_second, ended = fullest.record.rise_at(USED_BY[cause], fullest.time)
    end = process.exit.time if process.exit and ended is None else ended
    if headroom is None or per_second <= 0 or end is None:
        return None
    seconds = max(0, headroom - _spare(cause)) / per_second
    return seconds if seconds <= min(MOST_SECONDS_AHEAD, end - fullest.time) else None
