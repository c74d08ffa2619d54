"""`Fields`: an object of a state, of which nothing is taken for granted: it may come from another machine.

The only way from a state to a screen, so that no text reaches a terminal as it came.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 2_000
"""Characters of a text that are shown; more than a screen has."""


def clean(text: str) -> str:
    """Return ``text`` in one line, with ``?`` for each character that a terminal would not just show."""
    words = " ".join(text[:LONGEST].split())
    return words if words.isprintable() else "".join(c if c.isprintable() else "?" for c in words)


class Fields:
    """Values by name; one that is absent, or is not of the kind that is asked for, is nothing."""

    __slots__ = ("_values",)

    def __init__(self, values: object) -> None:
        self._values: Mapping[str, Any] = values if isinstance(values, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def text(self, name: str) -> str:
        """Return a text that can be shown; empty for none."""
        value = self._values.get(name)
        return clean(value) if isinstance(value, str) else ""

    def raw(self, name: str) -> str:
        """Return a text as it came: to name a run to its source, never to be shown."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """Return a finite number that is not negative."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if 0 <= value < math.inf and value < 2**63 else None

    def count(self, name: str) -> int | None:
        """Return a whole number."""
        value = self.number(name)
        return None if value is None else int(value)

    def flag(self, name: str) -> bool:
        """Whether it is said to be so."""
        return self._values.get(name) is True

    def part(self, name: str) -> Fields:
        """Return an object inside this one; empty for none."""
        return Fields(self._values.get(name))

    def parts(self, name: str) -> list[Fields]:
        """Return the objects of a list."""
        return [Fields(one) for one in self._listed(name) if isinstance(one, dict)]

    def texts(self, name: str) -> list[str]:
        """Return the texts of a list."""
        return [clean(one) for one in self._listed(name) if isinstance(one, str)]

    def series(self, name: str) -> list[float | None]:
        """Return the numbers of a list, with None for what is none."""
        return [
            one if isinstance(one, int | float) and math.isfinite(one) else None
            for one in self._listed(name)
        ]

    def _listed(self, name: str) -> list[Any] | tuple[Any, ...]:
        values = self._values.get(name)
        return values if isinstance(values, list | tuple) else []
