"""The types and ranges of what another process wrote, checked once, where it is read.

A file is untrusted: JSON holds numbers of any size, NaN as Python reads it, a list where a text is meant, and depth
without end. What has passed here is safe for every later layer: it fits into a column of 64 bits, a metric, a date.
Every check takes the field's name and its value, and raises ValueError with what is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST = 2**63 - 1
"""Of a whole number, as a signed one of 64 bits."""
LATEST = 7_258_118_400.0
"""2200-01-01, in seconds since the epoch."""
MOST_AMOUNT = 1e300
MOST_SECONDS = 1e10
"""Of a duration: 300 years."""
LONGEST_TEXT = 2**17
"""Characters; of an argument the kernel takes as many bytes (MAX_ARG_STRLEN)."""
MOST_VALUES = 2**17
"""In one object, counted by the marks between them, those inside texts included: while millions are decoded, which is
done in one go, no other thread runs. An argument of a command line has half as many commas at most.
"""
DEEPEST = 8
"""Levels of lists and objects in a value of the user's own."""

Check: TypeAlias = "Callable[[str, object], Any]"


def load(content: bytes) -> dict[str, Any]:
    """Return the one JSON object that ``content`` is. Raises ValueError with the reason."""
    check_count(content)
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a whole JSON object: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for all that is broken
    return value


def check_count(content: bytes) -> None:
    """Raise ValueError if there are more than MOST_VALUES in ``content``."""
    if len(content) > MOST_VALUES and sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def whole(name: str, value: object) -> int:
    """Check a count: a whole number from 0 that fits into 64 bits."""
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"{name:.40} is not a whole number of 64 bits")
    return value


def number(name: str, value: object) -> float:
    """Check an amount: a finite number from 0 that is no larger than a count can be."""
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= LARGEST:
        raise ValueError(f"{name:.40} is not a number from 0 on: {value!r:.40}")
    return value


def finite(name: str, value: object) -> float:
    """Check a measured value: any finite number."""
    if (type(value) is not int and type(value) is not float) or not abs(value) <= MOST_AMOUNT:
        raise ValueError(f"{name:.40} is not a finite number: {value!r:.40}")
    return float(value)


def moment(name: str, value: object) -> float:
    """Check seconds since the epoch, from 1970 to 2200."""
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= LATEST:
        raise ValueError(f"{name:.40} is not a time between 1970 and 2200: {value!r:.40}")
    return float(value)


def seconds(name: str, value: object) -> float:
    """Check a duration."""
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= MOST_SECONDS:
        raise ValueError(f"{name:.40} is not a duration: {value!r:.40}")
    return float(value)


def exit_code(name: str, value: object) -> int:
    """Check an exit code, as a shell or the kernel gives it."""
    if type(value) is not int or abs(value) >= 2**32:
        raise ValueError(f"{name:.40} is no exit code")
    return value


def text(name: str, value: object) -> str:
    """Check a text. Half a character, which no encoding can write, becomes a replacement character."""
    if type(value) is not str or len(value) > LONGEST_TEXT:
        raise ValueError(f"{name:.40} is not a text of at most {LONGEST_TEXT} characters")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def flag(name: str, value: object) -> bool:
    """Check a truth value."""
    if type(value) is not bool:
        raise ValueError(f"{name:.40} is neither true nor false")
    return value


def mapping(name: str, value: object) -> dict[str, Any]:
    """Check an object of whatever content."""
    if type(value) is not dict:
        raise ValueError(f"{name:.40} is not an object")
    return value


def mapping_of(check: Check) -> Check:
    """Return the check of an object whose values all pass ``check``."""

    def check_mapping(name: str, value: object) -> Mapping[str, Any]:
        return {text(name, key): check(key, item) for key, item in mapping(name, value).items()}

    return check_mapping


def tuple_of(check: Check) -> Check:
    """Return the check of a list whose items all pass ``check``."""

    def check_tuple(name: str, value: object) -> tuple[Any, ...]:
        if type(value) is not list:
            raise ValueError(f"{name:.40} is not a list")
        return tuple(check(name, item) for item in value)

    return check_tuple


def plain(name: str, value: object, *, depth: int = DEEPEST) -> Any:
    """Check a value of the user's own: texts, truth values, null, numbers of 64 bits, lists and objects of them."""
    if type(value) is str:
        return text(name, value)
    if value is None or type(value) is bool:
        return value
    if type(value) is float:
        return finite(name, value)
    if type(value) is int:
        if abs(value) > LARGEST:
            raise ValueError(f"{name:.40} is not a whole number of 64 bits")
        return value
    if depth == 0:
        raise ValueError(f"{name:.40} is deeper than {DEEPEST} levels")
    if type(value) is list:
        return [plain(name, item, depth=depth - 1) for item in value]
    if type(value) is dict:
        return {text(name, key): plain(key, item, depth=depth - 1) for key, item in value.items()}
    raise ValueError(f"{name:.40} is of no type of JSON")


def fields_of(content: Mapping[str, object], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return those of ``checks`` that ``content`` has, checked. Null is absent; unknown names are ignored."""
    return {
        name: check(name, value)
        for name, value in content.items()
        if value is not None and (check := checks.get(name)) is not None
    }
