"""How the record of a process ends: after its last fold, in the middle of one, or by a harmless sign."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from analyzer.growth.epochs import planned_epoch
from analyzer.processes.process import has_result
from analyzer.signatures.search import is_in_traceback
from telemetry.formatting import spell_duration
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.processes.from_log import Process
    from analyzer.signatures.search import SignatureMatch
    from telemetry.thread_line import Label

FRESH_SECONDS = 600
"""Written to within this time, a log may be of a run that goes on."""

# Stages that close a fold: AFTER CLEANUP, END, after all training, fold finished, done.
_CLOSING = late_pattern(
    r"\b(?:clean(?:ed)?[ -]?up|end(?:ed)?|done|finish(?:ed)?|completed?|after all|result|summary)\b",
    re.IGNORECASE,
)
# Stages that something must follow: START, before gating fit.
_OPENING = late_pattern(r"^(?:start|begin|before)\b", re.IGNORECASE)


def _last_stages(process: Process) -> set[str]:
    """Return the stage with which each fold but the process's last one ended."""
    return {*list(process.checkpoints.last_stages().values())[:-1]}


def _is_between_folds(process: Process) -> bool:
    """Whether its last label closes a fold: by its words, or as its other folds ended with it."""
    if not process.checkpoints:
        return False
    stage = process.checkpoints.label(-1).stage
    return bool(_CLOSING.search(stage)) or stage in _last_stages(process)


def is_through(process: Process, *, is_followed: bool = False) -> bool:
    """Whether its last label closes the last fold that was planned for it."""
    return _is_between_folds(process) and (is_followed or not folds_left(process))


def discard_benign_matches(process: Process, *, is_followed: bool = False) -> None:
    """Move signs that turn out to mean nothing to those that the process survived.

    A process that exited with 0, or says at the end of its log that it is through, did not crash,
    whatever it wrote before. One that is through, as its last label says, tears down its workers,
    and a log that goes on below a sign was not ended by it.
    """
    ended_well = process.finished_by is not None
    if process.exit is not None:
        has_failed = process.fold_outcome is not None and not has_result(process)
        ended_well = process.exit.facts.get("exit_code") == 0 and not has_failed
    through = is_through(process, is_followed=is_followed)
    benign = [
        name
        for name, sign in process.matches.items()
        if ended_well or (through and _is_no_end(sign, process))
    ]
    process.note_recovered(benign)
    for name in benign:
        del process.matches[name]


def _is_no_end(sign: SignatureMatch, process: Process) -> bool:
    """Whether a sign after the last fold is a mention, or of something else that ended."""
    if sign.names_its_cause:
        return not process.is_named_by(sign)
    if sign.is_benign_at_end:
        return True
    lines = [other.line or process.log_lines for other in process.matches.values()]
    goes_on = process.exit is None and max(lines) < process.log_lines
    return goes_on and sign.signal is None and not is_in_traceback(sign, process.frames)


def folds_left(process: Process) -> int:
    """Return how many folds are planned after that of the last label; they count from 0 or from 1."""
    label = process.checkpoints.label(-1) if process.checkpoints else None
    if label is None or label.fold is None or process.folds_planned is None:
        return 0
    return max(0, process.folds_planned - label.fold - (0 in process.folds))


class RunEnds:
    """How the folds of the processes that follow one another in a run end."""

    def __init__(self, processes: Iterable[Process], *, furthest: int = 0) -> None:
        """``furthest`` is the last fold that any process of that rank began, in whatever run."""
        self._furthest = furthest
        self._closing: Counter[str] = Counter()
        """By stage, the processes of which a fold ended with it."""
        self._processes = 0
        for process in processes:
            if process.crash is None:
                self._processes += 1
                self._closing.update(_last_stages(process) | {process.checkpoints.label(-1).stage})

    @property
    def is_known(self) -> bool:
        """Whether there are others to hold a process against."""
        return self._processes > 1

    def go_beyond(self, fold: int | None) -> bool:
        """Whether another process took up a later fold."""
        return fold is not None and fold < self._furthest

    def closes(self, stage: str) -> bool:
        """Whether a fold of another process than that which ends with ``stage`` did so as well."""
        return self._closing[stage] > 1


class Truncation(NamedTuple):
    """That a record ends where more was to come, and nothing says why."""

    where: str
    """As ``in fold 2 of 3``."""
    words: str
    may_go_on: bool
    """Whether it still runs, for all that is known."""
    is_running: bool = False
    """Whether its process is known to be there."""


def find_truncation(
    process: Process,
    *,
    quiet_seconds: float | None,
    others: RunEnds,
    is_followed: bool = False,
    is_running: bool = False,
) -> Truncation | None:
    """Tell a record that stops before its run is through, where nothing says why.

    In the middle of the last fold only where it is known to go on from there: an earlier fold, or
    another process of the run (``others``, this one among them), went past the stage, or the stage
    opens something. ``quiet_seconds`` have passed since the last write; None where nobody knows.
    ``is_running`` says that its process is known to be there.
    """
    left = process.exit  # without a status where only its parent was told how it ended
    has_status = left is not None and "exit_code" in left.facts
    is_told = has_status or process.fold_outcome or process.interpreter_ended
    if process.crash or is_told or process.finished_by or not process.checkpoints:
        return None
    label = process.checkpoints.label(-1)
    is_closed = _is_between_folds(process) or others.closes(label.stage)
    where, how = _open_end(process, label, others, is_closed=is_closed, is_followed=is_followed)
    if not where:
        return None
    may_go_on = not (is_followed or left) and (
        quiet_seconds is None or quiet_seconds < FRESH_SECONDS
    )
    killed = "ended without a word (SIGKILL leaves none: an OOM kill, an eviction, a person)"
    if is_running:
        words = f"the record ends {where}{how}: its process still runs"
        return Truncation(where, words, may_go_on=True, is_running=True)
    if is_followed:
        why = f"another process followed it, so it was {killed}"
    elif may_go_on:
        why = f"it still runs, or it was {killed}"
    else:
        quiet = spell_duration(quiet_seconds or 0.0)
        why = f"nothing was written for {quiet}, so it hangs or was {killed}"
    if process.is_cut:
        why = "its last line is not whole, so the rest was not copied, or had no room on the disk"
    return Truncation(
        where, f"the record ends {where}{how}, and nothing says why: {why}", may_go_on
    )


def _open_end(
    process: Process, label: Label, others: RunEnds, *, is_closed: bool, is_followed: bool
) -> tuple[str, str]:
    """Return where the record ends before all that was planned, and how that is known; else nothing."""
    fold = "" if label.fold is None else f"fold {label.fold} of {label.folds or '?'}"
    if is_closed:
        is_left = folds_left(process) and not is_followed
        return (f"after {fold}" if is_left and not others.go_beyond(label.fold) else "", "")
    epoch = planned_epoch(process)
    if epoch is not None and not is_followed:
        return f"at epoch {epoch}{f' in {fold}' if fold else ''}", " (early stopping ends so too)"
    opens = _OPENING.match(label.stage) is not None
    if not fold:
        return f"at {label.text!r}" if opens and not is_followed else "", ""
    later = _stages_after(process, label.stage)
    is_known = later or opens or others.is_known
    if not (is_known or (folds_left(process) and not is_followed)):
        return "", ""
    how = f", at {label.text!r}" + (
        f", where an earlier fold went on to {later!r}" if later else ""
    )
    return f"in the middle of {fold}", how


def _stages_after(process: Process, stage: str) -> str | None:
    """Return the stage that followed ``stage`` in the latest earlier fold that had it."""
    checkpoints, last = process.checkpoints, process.checkpoints.label(-1).fold
    for row in range(len(checkpoints) - 2, -1, -1):
        label, after = checkpoints.label(row), checkpoints.label(row + 1)
        if label.stage == stage and label.fold != last and after.fold == label.fold:
            return after.stage
    return None


def next_stage(process: Process) -> str | None:
    """Return the stage that should have come next, by an earlier fold; None where none tells."""
    return (
        _stages_after(process, process.checkpoints.label(-1).stage) if process.checkpoints else None
    )
