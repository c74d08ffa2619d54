"""The evidence for or against one cause: each piece with its numbers and what it proves by itself.

`causes` weighs the pieces against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.diagnosis.confidence import Confidence
from analyzer.resources import RESOURCES
from telemetry.formatting import format_amount
from telemetry.limits import LIMITS
from telemetry.reading import LimitState, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_log import Process
    from analyzer.signatures.search import SignatureMatch
    from telemetry.reading import Limit, Reading

NEARLY_FULL = 0.9
AT_FAILURE_SECONDS = 5.0
"""A reading this close before the end that a runner saw is one at the failure."""

IN_A_LOG = {spec.limit: name for name, spec in RESOURCES.items() if spec.limit is not None}
"""The limits that a ``[THREADS]`` line shows, each with the resource beside it."""
_CAUSES_OF_HITS = {
    hits: tuple(name for name, spec in LIMITS.items() if spec.hits == hits)
    for hits in dict.fromkeys(spec.hits for spec in LIMITS.values() if spec.hits)
}
_SEES_EVERY_LEVEL = {
    "pids_limit_hits": "sees_every_pids_level",
    "oom_kills": "sees_every_memory_level",
}


class Evidence(NamedTuple):
    """One piece of evidence: what it is worth by itself (a standing), and its text."""

    confidence: Confidence
    text: str


def kernel_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Give the kernel's own lines; one that may be of another process or cgroup proves less.

    So does one that the process survived: a cgroup's first refusal is the only one that is logged.
    """
    for sign in (*process.matches.values(), *process.recovered.values()):
        if not sign.names_its_cause or cause not in sign.causes:
            continue
        is_own, went_on = process.is_named_by(sign), sign.signature in process.recovered
        confidence = Confidence.LIKELY if is_own or not went_on else Confidence.POSSIBLE
        if is_own and not went_on:
            confidence = Confidence.CERTAIN
        words = f"the kernel says so{'' if is_own else _of_whom(sign, process)}"
        words += ", and the process went on" if went_on else ""
        yield Evidence(
            confidence, f"{words}: {f'line {sign.line}: ' if sign.line else ''}{sign.text}"
        )


def _of_whom(sign: SignatureMatch, process: Process) -> str:
    pid, cgroup = sign.details.get("pid"), sign.details.get("cgroup")
    if pid is not None:
        own = "which" if process.pid is None else f"and this one is {process.pid}"
        return f" of process {pid}, {own}" + (" may be another" if process.pid is None else " here")
    if process.last_reading is None or cgroup is None:
        return ", not of which process"
    return f" of cgroup {cgroup}, and this process is in {process.last_reading.cgroup}"


def counter_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Compare the kernel's counters before with those after, in one and the same cgroup.

    A kill for memory counts in the victim's cgroup whatever memory ran out (memory.events, oom_kill),
    so the cgroup's own limit must have been reached for it to be the cause, and without a kill it is
    neither the cgroup's nor the host's.
    """
    name = LIMITS[cause].hits if cause in LIMITS else None
    if name is None:
        return
    before, after, is_after_death = _counts(name, process)
    if before is None or after is None:
        return
    passed = _outlived(name, process)
    if passed is not None and before < after <= (getattr(passed, name) or 0):
        yield _early_rise(
            process, passed, f"{name} rose from {before} to {after}", is_after_death=is_after_death
        )
    elif after > before:
        yield from _rise(cause, process, f"{name} rose from {before} to {after} during the run")
    elif is_after_death and (name == "pids_limit_hits" or _was_killed(process)):
        yield Evidence(
            Confidence.RULED_OUT, f"{name} stayed at {after}, read after the death at every level"
        )


def refused_to_the_end(process: Process) -> tuple[str, ...]:
    """Return the causes of a counter that rose after the last label that training went on from."""
    causes: list[str] = []
    for name, possible in _CAUSES_OF_HITS.items():
        before, after, _ = _counts(name, process)
        passed = _outlived(name, process)
        floor = max(before or 0, (getattr(passed, name) if passed else None) or 0)
        if before is not None and after is not None and after > floor:
            causes += possible
    return tuple(causes)


def _outlived(name: str, process: Process) -> Reading | None:
    """Return the reading by which a counter was last another, of those that the process went on from.

    One that is labelled: training went on. The last ones may be of the failure itself.
    """
    facts = process.exit.facts if process.exit is not None else {}
    cgroup = None if process.last_reading is None else process.last_reading.cgroup
    if name in facts:
        cgroup = facts.get("cgroup", cgroup)
    readings = [
        reading
        for reading in process.counted.get(cgroup, ())
        if reading.time <= _end_time(process) - AT_FAILURE_SECONDS
    ]
    return readings[-1] if readings else None


def _end_time(process: Process) -> float:
    if process.exit is not None:
        return process.exit.time
    return process.last_reading.time if process.last_reading else 0.0


def _early_rise(process: Process, passed: Reading, words: str, *, is_after_death: bool) -> Evidence:
    seconds = _end_time(process) - passed.time
    words += f" by {passed.label!r}, {seconds:,.0f} s before the end, and the process went on"
    return Evidence(Confidence.POSSIBLE if is_after_death else Confidence.LIKELY, words)


def _rise(cause: str, process: Process, words: str) -> Iterator[Evidence]:
    if cause == "pids_cgroup":
        yield Evidence(Confidence.CERTAIN, words)
        return
    peak, limit = _memory_peak(process)
    if not isinstance(limit, int):
        is_host = cause == "host_memory" and limit is LimitState.UNLIMITED
        yield Evidence(
            Confidence.LIKELY, f"{words}{', and its cgroups have no limit' if is_host else ''}"
        )
    elif peak is None:
        yield Evidence(Confidence.LIKELY, words)
    elif peak >= 0.99 * limit:
        reached = f"the cgroup's peak is {of_limit(cause, peak, limit)}"
        certain = Confidence.CERTAIN if cause == "cgroup_memory" else Confidence.RULED_OUT
        yield Evidence(certain, f"{words}, and {reached}")
    else:
        unreached = f"the cgroup's peak is {of_limit(cause, peak, limit)}"
        confidence = Confidence.LIKELY if cause == "host_memory" else Confidence.POSSIBLE
        yield Evidence(confidence, f"{words}, but {unreached}")


def _counts(name: str, process: Process) -> tuple[int | None, int | None, bool]:
    """Return the counter before, after, and whether after is after the death with every level seen."""
    facts = process.exit.facts if process.exit is not None else {}
    before, after = facts.get(f"{name}_before"), facts.get(name)
    first = process.first_readings.get(facts.get("cgroup"))
    if name == "pids_limit_hits" and first is not None and first.pids_limit_hits is not None:
        # Whoever saw the cgroup earlier: the process itself, or the runner, before it let it run.
        before = (
            min(first.pids_limit_hits, before) if isinstance(before, int) else first.pids_limit_hits
        )
    if isinstance(before, int) and isinstance(after, int):
        return before, after, facts.get(_SEES_EVERY_LEVEL[name]) is True
    last = process.last_reading
    first = None if last is None else process.first_readings.get(last.cgroup)
    if last is None or first is None:
        return None, None, False
    return getattr(first, name), getattr(last, name), False


def _memory_peak(process: Process) -> tuple[int | None, object]:
    facts = process.exit.facts if process.exit is not None else {}
    last = process.last_reading
    limit = None if last is None else last.limits.get("cgroup_memory")
    peak = facts.get("cgroup_memory_peak_bytes")
    if isinstance(peak, int):
        return peak, limit
    return (None if last is None else last.cgroup_memory_peak_bytes), limit


def _was_killed(process: Process) -> bool:
    return any(sign.signal == "SIGKILL" for sign in process.matches.values())


def limit_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Give what the limits themselves say: none, or one that does not bind this process."""
    last = process.last_reading
    if last is None:
        return
    if cause == "nproc" and last.is_exempt_from_nproc:
        yield Evidence(
            Confidence.RULED_OUT, "root, or a capability: RLIMIT_NPROC does not bind this process"
        )
    limit = last.limits.get(cause)
    if limit is not LimitState.UNLIMITED:
        return
    facts = process.exit.facts if process.exit is not None else {}
    level = _SEES_EVERY_LEVEL.get(LIMITS[cause].hits or "", "")
    is_sure = cause in {"nproc", "address_space", "data_size"} or facts.get(level) is True
    if is_sure:
        yield Evidence(Confidence.RULED_OUT, "this process has no such limit")
    else:
        yield Evidence(
            Confidence.POSSIBLE, "no limit in the cgroups that are visible from the process"
        )


def peak_usage(cause: str, process: Process) -> Usage | None:
    """Return the use of the ceiling ``cause`` when it was nearest to its limit.

    What a program prints by itself at a moment of its own, such as an nvidia-smi at the start, is none.
    """
    if cause in process.fullest:
        return process.fullest[cause].usage(cause)
    resource = IN_A_LOG.get(cause)
    if resource is not None and process.last_reading is None and resource not in process.formats:
        return Usage(process.peaks.get(resource), process.limit(resource))
    return None


def usage_evidence(cause: str, process: Process) -> Evidence | None:
    """Say how full the limit was; at the limit itself, in a reading at the failure, is proof."""
    usage = peak_usage(cause, process)
    if usage is None or usage.ratio is None or usage.current is None:
        return None
    numbers = f"{of_limit(cause, usage.current, usage.limit)} ({usage.ratio:.0%})"
    if cause == "host_memory":
        numbers += " by all processes of the host"
    seconds = _seconds_before_end(cause, process)
    if (
        seconds is not None
        and LIMITS[cause].full_is_proof
        and _is_full(cause, process.fullest[cause])
    ):
        return Evidence(
            Confidence.CERTAIN, f"at the limit: {numbers}, read {seconds:.1f} s before the end"
        )
    if usage.ratio >= NEARLY_FULL:
        return Evidence(Confidence.LIKELY, f"nearly full at its peak: {numbers}")
    return Evidence(Confidence.POSSIBLE, f"peak {numbers}")


def _seconds_before_end(cause: str, process: Process) -> float | None:
    """Return how long before the end its fullest reading was, where that is at the failure."""
    fullest, end = process.fullest.get(cause), process.exit
    if fullest is None or end is None or not 0 <= end.time - fullest.time <= AT_FAILURE_SECONDS:
        return None
    return end.time - fullest.time


def _is_full(cause: str, reading: Reading) -> bool:
    """Whether not one more fits; a thread needs two maps, its stack and the guard page below it."""
    usage = reading.usage(cause)
    if usage.headroom is None or (cause == "nproc" and reading.is_exempt_from_nproc):
        return False
    return usage.headroom <= (1 if cause == "max_map_count" else 0)


def rise_evidence(cause: str, process: Process, growth: Mapping[str, Growth]) -> Evidence | None:
    """Say how the resource behind a limit rises, and how full it would be at the next peak."""
    resource = LIMITS[cause].resource if cause in LIMITS else None
    found = growth.get(resource) if resource else None
    if resource is None or found is None or not found.verdict.is_alarming:
        return None
    if found.slope is None:
        return None
    words = rise(resource, found.slope)
    usage = peak_usage(cause, process)
    is_host = cause == "host_memory"
    if usage is None or not isinstance(usage.limit, int) or not (is_host or cause in IN_A_LOG):
        return Evidence(Confidence.POSSIBLE, f"{words}; its limit was not recorded")
    expected = _expected_peak(process, resource, found.slope)
    if is_host:  # others use it as well
        expected = (usage.current or 0) + found.slope
    ratio = expected / usage.limit if usage.limit else 0.0
    words += f"; about {amount(resource, expected)} of {amount(resource, usage.limit)} were to come"
    return Evidence(Confidence.LIKELY if ratio >= NEARLY_FULL else Confidence.POSSIBLE, words)


def _expected_peak(process: Process, resource: str, per_fold: float) -> float:
    """Forecast the peak of the fold that it died in: that of the fold before, and a step more."""
    folds = process.folds
    peaks = [
        value
        for sample in process.checkpoints
        if sample.label.fold in folds[-2:-1] and (value := sample.values.get(resource)) is not None
    ]
    return max((max(peaks) + per_fold) if peaks else 0.0, process.peaks.get(resource, 0))


def rise(resource: str, per_fold: float) -> str:
    """Say how much a resource rises."""
    verb = "rises" if resource == "rss_bytes" else "rise"
    return f"{RESOURCES[resource].title} {verb} by {amount(resource, per_fold)} a fold"


def amount(resource: str, value: float | None) -> str:
    """Write ``value`` of a resource in its unit."""
    if value is None:
        return "?"
    if resource.endswith("_bytes"):
        return format_amount(value, is_bytes=True)
    return f"{round(value, 1):,g}"


def of_limit(cause: str, current: int, limit: Limit) -> str:
    """Write a use of a limit that is a number: ``7,590 of 7,680``."""
    is_bytes = (
        cause not in LIMITS or LIMITS[cause].is_bytes
    )  # a disk's or a quota's is no limit of a reading
    most = format_amount(limit, is_bytes=is_bytes) if isinstance(limit, int) else "?"
    return f"{format_amount(current, is_bytes=is_bytes)} of {most}"
