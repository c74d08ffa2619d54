"""What is told of a fold whose agent has died with it: what was written before, and what the host says afterwards."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from telemetry.formatting import format_amount
from telemetry.journal.follower import JournalFollower
from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.records import Event
from telemetry.journal.writer import JournalWriter
from telemetry.limits import LIMITS
from telemetry.reading import Reading
from trainer.agent.exit_code import ExitCode
from trainer.agent.fold_failure import FoldFailure, explain, not_run
from trainer.process.launcher import ExitStatus
from trainer.run.warning import explained, warn

KILLED = "SIGKILL"

if TYPE_CHECKING:
    from trainer.runner.attempt import Attempt


def end_without_outcome(attempt: Attempt, fold: int, code: int) -> FoldFailure:
    """Explain the end of a fold whose agent ended with ``code`` and wrote nothing of it, and write that.

    Nothing is written where another agent runs the fold: its directory is that one's.
    """
    if code == ExitCode.LEASE_LOST:
        why = attempt.refusal.reason if attempt.refusal is not None else "its lease was lost"
        return not_run(fold, "no result", why)
    if attempt.refusal is not None:
        failure = not_run(fold, attempt.refusal.outcome, attempt.refusal.reason)
    elif not attempt.has_started:
        failure = not_run(fold, "not started", f"its agent ended before it began, with {code}")
    else:
        failure = _died_with_agent(attempt, fold, code)
    try:
        failure.write(attempt.directory.fold(fold))
    except OSError as error:
        warn(f"fold {fold}: {explained(error)}")
    return failure


def _died_with_agent(attempt: Attempt, fold: int, code: int) -> FoldFailure:
    """What the host tells is added to the fold's journal, which has no other writer any more."""
    witness, layout, own_fold = attempt.witness, attempt.directory.layout, attempt.order.fold
    ended_at = attempt.ended_at
    agent = ExitStatus.of(code)
    status = witness.status() if witness is not None else None
    if (
        status is None and agent.signal == KILLED
    ):  # what ends both at once, or the agent's supervisor
        status = agent
    last = _last_reading(layout.journal(own_fold))
    if witness is not None:
        facts = {"with_agent": True, **witness.counters()}
        if status is not None:
            facts["exit_code"] = status.exit_code
        if status is not None and status.signal is not None:
            facts["signal"] = status.signal
        record = Event(time=ended_at, pid=witness.pid, name="exited", facts=facts)
        try:
            if own_fold is not None:
                make_fold_folder(layout.fold_dir(own_fold))  # a link in its place is refused
            writer = JournalWriter(layout.journal(own_fold))
            try:
                writer.write(record)
            finally:
                writer.close()
        except OSError as error:
            warn(explained(error))
    failure = explain(
        fold,
        status,
        fold_dir=layout.fold_dir(own_fold),
        pid=0 if witness is None else witness.pid,
        end_reason=None,
        seconds=time.monotonic() - attempt.fold_began,
        attempt=attempt.directory.token(fold) or "",
    )
    how = f"{_described(agent)}{_fullest(last, ended_at)}"
    root = (
        f"{failure.root_cause}; {how}"
        if failure.root_cause != failure.reason
        else f"{how}; {failure.reason}"
    )
    return replace(failure, reason=f"{how}; {failure.reason}", root_cause=root)


def _described(agent: ExitStatus) -> str:
    if agent.signal is not None:
        return f"died with its agent, which was ended by {agent.signal}"
    return f"its agent exited with {agent.exit_code} and left no word of it that counts"


def _last_reading(path: str) -> Reading | None:
    try:
        last = None
        for record in JournalFollower(path).stream_to_end():
            last = record if isinstance(record, Reading) else last
    except OSError:
        return None
    else:
        return last


def _fullest(reading: Reading | None, ended_at: float) -> str:
    """Describe the limit that was nearest at the last reading, and how long before the end that was."""
    if reading is None:
        return "; no reading of it"
    name, when = reading.binding, f"{max(0.0, ended_at - reading.time):.1f} s before"
    if name is None:
        return f"; no limit was seen at the last reading, {when}"
    child = reading.binding_child
    if child is not None and child.binding is not None:
        name, whose = child.binding, f" of {child.name}"
    else:
        whose = ""
    usage = (child or reading).usage(name)
    limit = format_amount(usage.limit, is_bytes=LIMITS[name].is_bytes)  # type: ignore[arg-type] # it has a ratio
    return f"; {name}{whose} at {usage.ratio:.0%} of {limit} at the last reading, {when}"
