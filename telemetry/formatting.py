"""Durations, times and amounts as text for people; a number for a program is written elsewhere."""

from __future__ import annotations

import time

MEBIBYTE = 2**20
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def format_duration(seconds: float) -> str:
    """Return a duration with one unit: ``95 s``, ``12 min``, ``1.5 h``, ``3 days``.

    A unit begins at two of it. telemetry/web/page/words.js does the same for the page.
    """
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days"


def spell_duration(seconds: float) -> str:
    """Return a duration as whole spelled-out units, rounded down: ``2 hours``, ``1 day``.

    These words stand in ``foldwatch analyze --json``, so they cannot become those of `format_duration`.
    """
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} seconds"


def format_time(seconds: float) -> str:
    """Return a time with its zone: ``2026-11-24 08:15:30 UTC``; ``?`` for one that no clock shows.

    Args:
        seconds: Since the epoch.
    """
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "?"


def format_amount(value: float | None, *, is_bytes: bool) -> str:
    """Return an amount with its unit: ``7,680``, ``2,820 MB`` (of 2**20 bytes); ``?`` for None.

    Args:
        value: Bytes, or a count.
        is_bytes: Whether it is bytes.
    """
    if value is None:
        return "?"
    if is_bytes:
        return f"{value / MEBIBYTE:,.0f} MB"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}"
