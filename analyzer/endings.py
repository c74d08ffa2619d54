"""How the record of a process ends: through, in the middle of a fold, or by a sign that means nothing.

Owns the rule by which a log that simply stops is said to have stopped so. It must not read anything.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.log_table import Process

FRESH_SECONDS = 600
"""Written to within this time, a log may be of a run that goes on."""

# Stages that close a fold: AFTER CLEANUP, END, after all training, fold finished, done.
_CLOSING = re.compile(
    r"\b(?:clean(?:ed)?[ -]?up|end(?:ed)?|done|finish(?:ed)?|completed?|after all|result|summary)\b",
    re.IGNORECASE,
)
# Stages that something must follow: START, before gating fit.
_OPENING = re.compile(r"^(?:start|begin|before)\b", re.IGNORECASE)


def _last_stages(process: Process) -> set[str]:
    """Return the stage with which each fold but the process's last one ended."""
    return {*list(process.samples.last_stages().values())[:-1]}


def _is_between_folds(process: Process) -> bool:
    """Whether its last label closes a fold: by its words, or as its other folds ended with it."""
    if not process.samples:
        return False
    stage = process.samples.label(-1).stage
    return bool(_CLOSING.search(stage)) or stage in _last_stages(process)


def settle(process: Process) -> None:
    """Move signs that turn out to mean nothing to those that the process survived.

    A process that exited with 0 did not crash, whatever it wrote, and workers that are killed once
    the last fold is through are torn down.
    """
    is_through = _is_between_folds(process) and process.samples.label(-1).fold in {
        None,
        process.folds_planned,
    }
    exited_well = process.exit is not None and process.exit.facts.get("exit_code") == 0
    for name, sign in list(process.signs.items()):
        if sign.names_its_cause:
            continue
        if exited_well or (is_through and sign.is_benign_at_end):
            process.survived[name] = process.signs.pop(name)


class Endings:
    """How the folds of the processes that follow one another in a run end."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._closing: Counter[str] = Counter()
        """By stage, the processes of which a fold ended with it."""
        self._processes = 0
        for process in processes:
            if process.crash is None:
                self._processes += 1
                self._closing.update(_last_stages(process) | {process.samples.label(-1).stage})

    @property
    def is_known(self) -> bool:
        """Whether there are others to hold a process against."""
        return self._processes > 1

    def closes(self, stage: str) -> bool:
        """Whether a fold of another process than that which ends with ``stage`` did so as well."""
        return self._closing[stage] > 1


def stopped(process: Process, *, quiet_seconds: float | None, others: Endings) -> str | None:
    """Say that the record stops in the middle of a fold, where it does and nothing says why.

    Only where a fold is known to go on from there: an earlier fold, or another process of the run
    (``others``, this one among them), went past the stage, or the stage opens something.
    ``quiet_seconds`` have passed since the last write; None where nobody knows.
    """
    if process.crash or process.exit is not None or not process.folds:
        return None
    label = process.samples.label(-1)
    if _is_between_folds(process) or others.closes(label.stage):
        return None
    later = _stages_after(process, label.stage)
    if not later and not _OPENING.match(label.stage) and not others.is_known:
        return None
    words = (
        f"the record ends in the middle of fold {label.fold} of {label.folds}, at {label.text!r}"
    )
    if later:
        words += f", where an earlier fold went on to {later!r}"
    words += ", and nothing says why"
    killed = "ended without a word (SIGKILL leaves none: an OOM kill, an eviction, a person)"
    if quiet_seconds is None or quiet_seconds < FRESH_SECONDS:
        return f"{words}: it still runs, or it was {killed}"
    return (
        f"{words}: nothing was written for {_duration(quiet_seconds)}, so it hangs or was {killed}"
    )


def _stages_after(process: Process, stage: str) -> str | None:
    """Return the stage that followed ``stage`` in the latest earlier fold that had it."""
    samples, last = process.samples, process.samples.label(-1).fold
    for row in range(len(samples) - 2, -1, -1):
        label, after = samples.label(row), samples.label(row + 1)
        if label.stage == stage and label.fold != last and after.fold == label.fold:
            return after.stage
    return None


def next_stage(process: Process) -> str | None:
    """Return the stage that should have come next, by an earlier fold; None where none tells."""
    return _stages_after(process, process.samples.label(-1).stage) if process.samples else None


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} seconds"
