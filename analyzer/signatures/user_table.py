r"""A user's own table of signatures: a TOML file with one ``[[signature]]`` for each failure to know.

    [[signature]]
    name = "data_server_lost"
    literals = ["lost the lease"]
    pattern = 'DataServer \S+ lost the lease, giving up'
    example = "E 12:00:01 DataServer dn-7 lost the lease, giving up"
    benign = "W 12:00:01 DataServer dn-7 lost the lease, renewed"
    causes = ["host_lost"]
    steps = [["restart the data servers", "dsctl restart"]]

``literals`` stand in every such line as they are; ``pattern`` is RE2's and decides. ``example`` must match and
``benign`` must not. Without ``causes`` it is no resource limit.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from analyzer.signatures.search import SignatureTable
from analyzer.signatures.signature import CAUSES, NOT_A_LIMIT, Signature
from telemetry.errors import InputError
from telemetry.user_regex import compile_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_TABLE = 2**20
"""Bytes; a device may have no end."""
_TEXT, _TEXTS, _STEPS, _FLAG = "text", "list of texts", "list of [text, command]", "true or false"
_KEYS = {
    "name": _TEXT,
    "literals": _TEXTS,
    "pattern": _TEXT,
    "example": _TEXT,
    "benign": _TEXT,
    "causes": _TEXTS,
    "speaks_for": _TEXTS,
    "steps": _STEPS,
    "at_any_level": _FLAG,
    "is_secondary": _FLAG,
    "is_generic": _FLAG,
    "looks_above": _FLAG,
    "stops": _FLAG,
}
_NEEDED = ("name", "literals", "pattern", "example")


def read_signatures(path: str) -> tuple[Signature, ...]:
    """Read a table of signatures.

    A row has a ``name``; ``literals``, of which one stands in every such line as it is; a ``pattern`` in RE2's
    syntax, which decides; an ``example``, which must match; if you like a ``benign`` line, which must not; the
    ``causes`` and those of them that it ``speaks_for``; ``steps``, each a text and a command; and the flags
    ``at_any_level``, ``is_secondary``, ``is_generic``, ``looks_above`` and ``stops``, which are false.

    Args:
        path: A TOML file with a ``[[signature]]`` for each row.

    Returns:
        The rows in their order, which is that in which they are tried.

    Raises:
        InputError: The file cannot be read, or a row is wrong; the text names the row and what to do.
        MissingExtraError: RE2 is not installed.
    """
    try:
        with open(path, "rb") as file:
            table = file.read(LARGEST_TABLE + 1)
        if len(table) > LARGEST_TABLE:
            raise InputError(
                f"{path}: more than {LARGEST_TABLE:,} bytes; name a TOML file of signatures"
            )
        content = tomllib.loads(table.decode())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a TOML file of signatures") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no TOML: {error}") from error
    rows = content.get("signature")
    if not isinstance(rows, list) or not rows or content.keys() - {"signature"}:
        raise InputError(
            f"{path}: begin each row with [[signature]], and put nothing outside of rows"
        )
    found = []
    for number, row in enumerate(rows, start=1):
        name = row.get("name", number) if isinstance(row, dict) else number
        try:
            found.append(_signature(row))
        except InputError as error:
            raise InputError(f"{path}: signature {name!r}: {error}") from error
    return tuple(found)


def _signature(row: Mapping[str, Any]) -> Signature:
    _check(row)
    causes = tuple(row.get("causes", ())) or (NOT_A_LIMIT,)
    signature = Signature(
        name=row["name"],
        literals=tuple(row["literals"]),
        pattern=compile_expression(row["pattern"], option="pattern"),
        example=row["example"],
        benign=row.get("benign", ""),
        causes=causes,
        speaks_for=tuple(row.get("speaks_for", causes if len(causes) == 1 else ())),
        steps=tuple((step[0], step[1] if len(step) > 1 else None) for step in row.get("steps", ())),
        **{key: row[key] for key, kind in _KEYS.items() if kind is _FLAG and key in row},
    )
    table = SignatureTable([signature])
    if not table.is_found(signature, signature.example):
        raise InputError("its example does not match: see literals and pattern")
    if table.is_found(signature, signature.benign):
        raise InputError("its benign matches as well")
    return signature


def _check(row: Mapping[str, Any]) -> None:
    if unknown := sorted(row.keys() - _KEYS.keys()):
        raise InputError(f"no such key: {', '.join(unknown)}; there are {', '.join(_KEYS)}")
    if missing := [key for key in _NEEDED if not row.get(key)]:
        raise InputError(f"{', '.join(missing)} is missing")
    for key, value in row.items():
        if not _is(_KEYS[key], value):
            raise InputError(f"{key} is no {_KEYS[key]}")
    causes = {*row.get("causes", ()), *row.get("speaks_for", ())}
    if unknown := sorted(causes - {*CAUSES}):
        raise InputError(f"no such cause: {', '.join(unknown)}; there are {', '.join(CAUSES)}")
    if not {*row.get("speaks_for", ())} <= {*row.get("causes", ())}:
        raise InputError("speaks_for names what is not among the causes")


def _is(kind: str, value: object) -> bool:
    """Whether a value is of a kind of `_KEYS`."""
    if kind is _TEXT or kind is _FLAG:
        return isinstance(value, str if kind is _TEXT else bool)
    if not isinstance(value, list):
        return False
    if kind is _TEXTS:
        return all(isinstance(one, str) and one for one in value)
    return all(isinstance(one, list) and len(one) in {1, 2} and _is(_TEXTS, one) for one in value)
