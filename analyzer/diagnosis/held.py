"""Who held the limit: evidence of its cause, and the step that fits whoever held the most.

From the journal's last look at the holders; without one from the tasks of the run beside those of its cgroup, which
every ``[THREADS]`` line has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import Evidence
from telemetry.formatting import format_duration
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from analyzer.diagnosis.message_steps import Step
    from analyzer.processes.process import Process
    from telemetry.holders import Holders

COMMAND = "foldwatch limits --who"
LATEST_SECONDS = 180.0
"""Before the end, at most: what was held earlier need not be what filled it."""
_HALF = 0.5


class RunShare(NamedTuple):
    """The tasks of a run, and all of its cgroup, at its last reading of both."""

    tasks: int
    of: int
    is_tree: bool
    """Whether the processes that it has started are counted."""


class HeldBy(NamedTuple):
    """What is to be done first about a limit, by who held it."""

    step: Step
    is_others: bool
    """Whether others were seen to hold the most: less of this run's own use does not help then."""


def holder_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Say who held the limit, or which share of its cgroup's tasks the run did."""
    held = _latest(cause, process)
    if held is not None:
        seconds = _end_time(process) - held.time
        when = f"{format_duration(max(0.0, seconds))} before the end: "
        yield Evidence(Confidence.POSSIBLE, when + held.sentence)
    elif cause == "pids_cgroup" and (share := run_share(process)) is not None:
        percent = f"{100 * share.tasks / share.of:.0f} %"
        words = f"the run held {share.tasks:,} of the {share.of:,} tasks in its cgroup ({percent})"
        yield Evidence(
            Confidence.POSSIBLE, words if share.is_tree else f"{words}, its children not counted"
        )


def run_share(process: Process) -> RunShare | None:
    """Return the tasks of the run beside those of its cgroup; None where they were not read together, or it has no limit."""
    last = process.last_reading
    if last is not None and isinstance(last.usage("pids_cgroup").limit, int):
        found = _share(last.tree_threads, last.cgroup_pids, is_tree=True)
        return found or _share(last.threads, last.cgroup_pids, is_tree=False)
    if last is not None or not process.checkpoints or process.formats:
        return None
    values = process.checkpoints[-1].values
    if not isinstance(process.limit("cgroup_pids"), int):
        return None
    return _share(values.get("threads"), values.get("cgroup_pids"), is_tree=False)


def _share(tasks: int | None, of: int | None, *, is_tree: bool) -> RunShare | None:
    if not tasks or not of or tasks > of:  # it is in several cgroups, or one number is older
        return None
    return RunShare(tasks, of, is_tree)


def held_by(process: Process) -> dict[str, HeldBy]:
    """Return what to do first about each limit of which others hold the most, or which its holder's own step mends."""
    found = {}
    for limit in process.holders:
        held = _latest(limit, process)
        if held is not None and held.advice != LIMITS[limit].advice:
            found[limit] = HeldBy((held.advice.removesuffix("."), COMMAND), held.is_of_others)
    share = run_share(process)
    if "pids_cgroup" not in process.holders and share and share.tasks < _HALF * share.of:
        words = f"find out who holds the other {share.of - share.tasks:,} tasks of the cgroup: the run's children, or somebody else"
        found["pids_cgroup"] = HeldBy((words, COMMAND), is_others=False)
    return found


def fitting(
    steps: Sequence[Step], held: HeldBy | None, *, of_own_use: Collection[Step]
) -> Sequence[Step]:
    """Return the steps for a limit that fit who held it: where others hold the most, none that is ``of_own_use``."""
    if held is None:
        return steps
    return (held.step, *(one for one in steps if not (held.is_others and one in of_own_use)))


def _latest(limit: str, process: Process) -> Holders | None:
    held = process.holders.get(limit)
    if held is None or _end_time(process) - held.time > LATEST_SECONDS:
        return None
    return held


def _end_time(process: Process) -> float:
    if process.exit is not None:
        return process.exit.time
    return process.last_reading.time if process.last_reading else 0.0
