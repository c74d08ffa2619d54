"""A series as one line of characters; a character shows the highest of its values, so that a peak shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#"
"""For a terminal whose encoding has no blocks."""
GAP = " "
FLAT = 0.05
"""Of the highest value: a series that varies by less does not use all heights, for it would look like a cliff."""


def sparkline(values: Sequence[float | None], *, width: int, characters: str = BLOCKS) -> str:
    """Draw ``values`` in at most ``width`` characters, the lowest of them as the lowest one.

    A stretch without a value is a blank; a flat series is a low line.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = max(high - low, FLAT * abs(high))
    columns = min(width, len(values))
    drawn = []
    for column in range(columns):
        stretch = values[len(values) * column // columns : len(values) * (column + 1) // columns]
        highest = max((value for value in stretch if value is not None), default=None)
        if highest is None:
            drawn.append(GAP)
        else:
            step = (highest - low) / span * (len(characters) - 1) if span else 0
            drawn.append(characters[round(step)])
    return "".join(drawn)
