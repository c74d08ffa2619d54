"""`readings_before`: what a process's own log says of the time before it was attached to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from analyzer.processes.inputs import find_inputs
from analyzer.processes.reading import read_inputs

if TYPE_CHECKING:
    from telemetry.reading import Reading
    from trainer.attach.target import Target

ROUNDED_SECONDS = 1.0
"""What a log may round its times down by."""


def readings_before(target: Target, log: str) -> list[Reading]:
    """Return the labelled readings that ``target`` wrote into its log before now.

    Of a log with several runs in it the last one counts. Where it has no times, the readings are spread over the life of
    the process.

    Raises:
        InputError: The log cannot be read.
    """
    processes = [one for table in read_inputs(find_inputs([log])) for one in table.processes]
    own = [one for one in processes if one.pid in {None, target.pid} and one.checkpoints]
    age = target.age_seconds or 0.0
    began = time.time() - age
    found = [
        one
        for one in (own[-1].checkpoints if own else ())
        if one.time is None or one.time >= began - ROUNDED_SECONDS
    ]
    step = age / (len(found) + 1)
    return [
        one.as_reading(
            pid=target.pid,
            start_ticks=target.start_ticks,
            time=began + number * step if one.time is None else one.time,
        )
        for number, one in enumerate(found, 1)
    ]
