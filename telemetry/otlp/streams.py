"""`Streams`: when each cumulative stream of points began, as the receiver knows it.

When a counter of the kernel's or of another process began is not known here. The data model's way is a first point of
no duration, its start its own time, of which a receiver takes no rate; the points after it repeat that start. A process
in another's place, or a counter that is lower than it was, begins anew. A first point that was not accepted is sent
again as a first one: else its receiver would take all that was counted before for an increase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

StreamKey: TypeAlias = tuple[object, ...]


class Stream(NamedTuple):
    """A stream at its last point."""

    start: int
    """Nanoseconds since the epoch."""
    value: float
    owner: object
    """Whose it is: the process, as its PID and start."""


class Streams:
    """Holds the streams whose last points were accepted."""

    def __init__(self) -> None:
        self._known: dict[StreamKey, Stream] = {}
        self._latest = 0

    def begin(self, now: int) -> None:
        """Take the time of the next points; if the clock was set back, every stream begins anew."""
        if now < self._latest:
            self._known.clear()
        self._latest = now

    def next(self, key: StreamKey, value: float, owner: object, *, is_monotonic: bool) -> Stream:
        """Return the stream with its next point, not yet accepted."""
        known = self._known.get(key)
        goes_on = known is not None and known.owner == owner
        if known is None or not goes_on or (is_monotonic and value < known.value):
            return Stream(self._latest, value, owner)
        return known._replace(value=value)

    def accept(self, points: Iterable[tuple[StreamKey, Stream]]) -> None:
        """Take it that these points are known to the receiver."""
        self._known.update(points)

    def keep(self, keys: set[StreamKey]) -> None:
        """Forget every other stream."""
        self._known = {key: stream for key, stream in self._known.items() if key in keys}
