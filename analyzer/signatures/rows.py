"""Makers of the rows that the table has many of, as ``killed(name, literals, pattern, example, benign)``.

More facts of a row are keywords, as `Signature` has them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from analyzer.signatures.signature import ENOMEM, KILLED, MEMORY, NOT_A_LIMIT, Expression, Signature


def _row(
    name: str,
    literals: str | tuple[str, ...],
    pattern: str,
    example: str,
    benign: str,
    **facts: Any,
) -> Signature:
    return Signature(
        name=name,
        literals=(literals,) if isinstance(literals, str) else literals,
        pattern=Expression(pattern),
        example=example,
        benign=benign,
        **facts,
    )


own_limit = partial(
    _row,
    signal="SIGKILL",
    causes=("scheduler_memory", *MEMORY),
    speaks_for=("scheduler_memory",),
    at_any_level=True,
)
"""A memory limit that a batch system or a framework enforces itself."""
killed = partial(_row, signal="SIGKILL", causes=KILLED, is_secondary=True, at_any_level=True)
"""A SIGKILL that somebody saw and nobody explains."""
summary = partial(
    _row,
    causes=(NOT_A_LIMIT,),
    is_secondary=True,
    is_generic=True,
    at_any_level=True,
    looks_above=True,
)
"""An exit status that is not 0, as somebody else reports it."""
native = partial(_row, causes=(NOT_A_LIMIT,), is_generic=True)
"""A death in native code."""
no_memory = partial(_row, errno=12, causes=ENOMEM)
"""An allocator that got ENOMEM."""


def _speaking_for(cause: str, **facts: Any) -> partial[Signature]:
    return partial(_row, causes=(cause,), speaks_for=(cause,), **facts)


gpu_memory = _speaking_for("gpu_memory")
"""GPU memory that ran out, in a line that says so."""
time_limit = _speaking_for("time_limit", stops=True, at_any_level=True)
"""A time limit that ended a run."""
interrupted = _speaking_for("interrupted", stops=True, at_any_level=True)
"""A person or a scheduler that ended a run."""
preempted = _speaking_for("preempted", stops=True, at_any_level=True)
"""A preemption that ended a run."""
