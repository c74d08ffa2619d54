"""`readings_before`: what a process's own log says of the time before it was attached to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from analyzer.processes.inputs import find_inputs
from analyzer.processes.reading import read_inputs
from analyzer.resources import RESOURCES
from telemetry.reading import Reading

if TYPE_CHECKING:
    from analyzer.processes.checkpoints import Checkpoint
    from trainer.attach.target import Target


def readings_before(target: Target, log: str) -> list[Reading]:
    """Return the labelled readings that ``target`` wrote into its log before now.

    Of a log with several runs in it the last one counts. A log has no times that could be relied on: the readings are
    spread over the life of the process.

    Raises:
        InputError: The log cannot be read.
    """
    processes = [one for table in read_inputs(find_inputs([log])) for one in table.processes]
    own = [one for one in processes if one.pid in {None, target.pid} and one.checkpoints]
    found = list(own[-1].checkpoints) if own else []
    age = target.age_seconds or 0.0
    step, began = age / (len(found) + 1), time.time() - age
    return [_reading(target, one, began + number * step) for number, one in enumerate(found, 1)]


def _reading(target: Target, one: Checkpoint, at: float) -> Reading:
    values = {name: value for name, value in one.values.items() if value is not None}
    limits = {
        name: limit
        for resource, limit in one.limits.items()
        if (name := RESOURCES[resource].limit) is not None
    }
    return Reading(
        time=at,
        pid=target.pid,
        start_ticks=target.start_ticks,
        label=one.label.text,
        stage=one.label.stage,
        fold=one.label.fold,
        folds=one.label.folds,
        limits=limits,
        **values,  # type: ignore[arg-type]
    )
