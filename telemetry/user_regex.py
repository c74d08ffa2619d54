"""A user's regular expression, compiled by RE2, whose time grows with the length of the text only."""

from __future__ import annotations

from typing import Any

from telemetry.errors import InputError, MissingExtraError


def compile_expression(
    expression: str, *, option: str, is_multiline: bool = False, for_bytes: bool = False
) -> Any:
    """Compile ``expression``.

    Args:
        expression: RE2's syntax.
        option: The option that it was given by, for an error's text.
        is_multiline: ``^`` and ``$`` are the ends of a line, and nothing matches across one.
        for_bytes: The result searches bytes instead of text.

    Returns:
        RE2's pattern object; it has no type of its own.

    Raises:
        InputError: The expression is broken; the text says why.
        MissingExtraError: RE2 is not installed.
    """
    try:
        import re2  # noqa: PLC0415 - only an expression needs it
    except ImportError as error:
        raise MissingExtraError(f"{option} needs google-re2", extra="analyze") from error
    options = re2.Options()
    options.log_errors = False
    options.never_nl = is_multiline
    whole = f"(?m){expression}" if is_multiline else expression
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{option} {expression!r}: not UTF-8") from error
    try:
        return re2.compile(whole.encode() if for_bytes else whole, options)
    except re2.error as error:
        why = error.args[0] if error.args else "broken"
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise InputError(f"{option} {expression!r}: {why.replace(whole, expression)}") from error
