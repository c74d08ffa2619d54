"""Makers of signatures that many rows of the table have the shape of: a name, literals, a pattern, an example."""

from __future__ import annotations

from typing import Any, TypeAlias

from analyzer.signatures.signature import ENOMEM, KILLED, MEMORY, NOT_A_LIMIT, Expression, Signature

Literals: TypeAlias = str | tuple[str, ...]


def _row(name: str, literals: Literals, pattern: str, example: str, **facts: Any) -> Signature:
    several = (literals,) if isinstance(literals, str) else literals
    expression = Expression(pattern)
    return Signature(name=name, literals=several, pattern=expression, example=example, **facts)


def own_limit(
    name: str, literals: Literals, pattern: str, example: str, advice: str | None = None
) -> Signature:
    """Return the signature of a memory limit that a batch system or a framework enforces itself."""
    return _row(
        name,
        literals,
        pattern,
        example,
        signal="SIGKILL",
        causes=("scheduler_memory", *MEMORY),
        speaks_for=("scheduler_memory",),
        at_any_level=True,
        advice=advice,
    )


def killed(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of a SIGKILL that somebody saw and nobody explains."""
    return _row(
        name,
        literals,
        pattern,
        example,
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
        at_any_level=True,
    )


def stopped(name: str, literals: Literals, pattern: str, example: str, cause: str) -> Signature:
    """Return the signature of what ended a run that did not fail."""
    return _row(
        name,
        literals,
        pattern,
        example,
        causes=(cause,),
        speaks_for=(cause,),
        stops=True,
        at_any_level=True,
    )


def summary(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of an exit status that is not 0, as somebody else reports it."""
    return _row(
        name,
        literals,
        pattern,
        example,
        causes=(NOT_A_LIMIT,),
        is_secondary=True,
        is_generic=True,
        at_any_level=True,
        looks_above=True,
    )


def native(
    name: str, literals: Literals, pattern: str, example: str, signal: str | None = None
) -> Signature:
    """Return the signature of a death in native code."""
    return _row(
        name,
        literals,
        pattern,
        example,
        signal=signal,
        causes=(NOT_A_LIMIT,),
        is_generic=True,
    )


def no_memory(
    name: str,
    literals: Literals,
    pattern: str,
    example: str,
    causes: tuple[str, ...] = ENOMEM,
) -> Signature:
    """Return the signature of an allocator that got ENOMEM."""
    return _row(
        name,
        literals,
        pattern,
        example,
        errno=12,
        causes=causes,
    )


def gpu_memory(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of GPU memory that ran out, in a line that says so."""
    return _row(
        name,
        literals,
        pattern,
        example,
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    )
