"""`ToldFailures`: which failures were told, so that a daemon that is started anew pages nobody twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular, replacing

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.alerts.condition import Key

MOST_BYTES = 4 * 2**20
MOST_KEPT = 10_000
SAME_SECONDS = 2.0
"""When a fold ended is known by the second, by what was read of it first."""


class ToldFailures:
    """Holds them by name and labels, with when each ended; in a file, if there is one.

    Invariant: nothing here raises. Where the file cannot be read or written, they are known for as long as this lives.
    """

    def __init__(
        self, path: str | None = None, *, log: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path, self._log, self._is_new = path, log, False
        self._ended: dict[Key, float] = {} if path is None else _read(path)

    def knows(self, key: Key, ended_at: float) -> bool:
        """Whether it was told that this has ended then."""
        known = self._ended.get(key)
        return known is not None and abs(known - ended_at) <= SAME_SECONDS

    def note(self, key: Key, ended_at: float) -> None:
        """Take it that this is told."""
        self._ended.pop(key, None)
        self._ended[key] = ended_at
        while len(self._ended) > MOST_KEPT:
            del self._ended[next(iter(self._ended))]
        self._is_new = True

    def flush(self) -> None:
        """Write the file, if there is something new."""
        if self._path is None or not self._is_new:
            return
        self._is_new = False
        content = [[name, dict(labels), ended] for (name, labels), ended in self._ended.items()]
        try:
            with replacing(self._path) as aside, open(aside, "w", encoding="ascii") as file:
                json.dump(content, file)
        except OSError as error:
            why = error.strerror or error
            self._log(f"foldwatch: what is told is not kept over a restart: {self._path}: {why}")
            self._path = None


def _read(path: str) -> dict[Key, float]:
    """Read the file, of which whatever is no failure is left out."""
    found: dict[Key, float] = {}
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(MOST_BYTES))
        for name, labels, ended in content:
            pairs = sorted(
                (typed.text("", one), typed.text("", value)) for one, value in labels.items()
            )
            found[typed.text("", name), tuple(pairs)] = typed.moment("", ended)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return found
