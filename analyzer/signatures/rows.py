"""Makers of signatures that many rows of the table have the shape of: a name, literals, a pattern, an example."""

from __future__ import annotations

from typing import TypeAlias

from analyzer.signatures.signature import ENOMEM, KILLED, MEMORY, NOT_A_LIMIT, Expression, Signature

Literals: TypeAlias = str | tuple[str, ...]


def _several(literals: Literals) -> tuple[str, ...]:
    return (literals,) if isinstance(literals, str) else literals


def own_limit(
    name: str, literals: Literals, pattern: str, example: str, advice: str | None = None
) -> Signature:
    """Return the signature of a memory limit that a batch system or a framework enforces itself."""
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
        signal="SIGKILL",
        causes=("scheduler_memory", *MEMORY),
        speaks_for=("scheduler_memory",),
        at_any_level=True,
        advice=advice,
    )


def killed(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of a SIGKILL that somebody saw and nobody explains."""
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
        signal="SIGKILL",
        causes=KILLED,
        is_secondary=True,
        at_any_level=True,
    )


def stopped(name: str, literals: Literals, pattern: str, example: str, cause: str) -> Signature:
    """Return the signature of what ended a run that did not fail."""
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
        causes=(cause,),
        speaks_for=(cause,),
        stops=True,
        at_any_level=True,
    )


def summary(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of an exit status that is not 0, as somebody else reports it."""
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
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
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
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
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
        errno=12,
        causes=causes,
    )


def gpu_memory(name: str, literals: Literals, pattern: str, example: str) -> Signature:
    """Return the signature of GPU memory that ran out, in a line that says so."""
    return Signature(
        name=name,
        literals=_several(literals),
        pattern=Expression(pattern),
        example=example,
        causes=("gpu_memory",),
        speaks_for=("gpu_memory",),
    )
