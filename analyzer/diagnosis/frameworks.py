"""Whether anything of a process names TensorFlow: what helps there helps nowhere else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.processes.process import Process

_TENSORFLOW = re.compile(r"\btf\b|\btf[._]|tensorflow|MirroredStrategy", re.IGNORECASE)
"""What names TensorFlow in a label, in a sign of a crash, or as a thread pool."""


def shows_tensorflow(process: Process) -> bool:
    """Whether its thread pools, its signs of a crash or its labels name TensorFlow."""
    matches = (*process.matches.values(), *process.recovered.values())
    pools = (process.last_reading.pools if process.last_reading else None) or {}
    return (
        any(map(_TENSORFLOW.search, pools))
        or any(_TENSORFLOW.search(f"{sign.signature} {sign.text}") for sign in matches)
        or any(_TENSORFLOW.search(label.text) for label in process.checkpoints.labels())
    )
