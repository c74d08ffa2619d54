"""`History`: the curves of a run's numbers for charts, in bounded memory.

The longer a run, the coarser its curve; no peak is ever lost.
"""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telemetry.limits import USED_BY

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from telemetry.reading import Reading
    from telemetry.snapshot import Snapshot

POINTS = 400
"""A curve is thinned to half of it when it is full."""
COLUMNS = ("threads", "rss_bytes", *dict.fromkeys(USED_BY.values()))
ABSENT = math.nan
STEP_SECONDS = 60.0
"""Back in time, by which a clock was set and no record came late."""


@dataclass(slots=True)
class Curve:
    """The readings of one fold, oldest first; every column is as long as ``times``."""

    times: array[float] = field(default_factory=lambda: array("d"))
    columns: dict[str, array[float]] = field(default_factory=dict)
    _stride: int = 1
    """How many readings a point stands for."""
    _in_last: int = 0

    def add(self, reading: Reading) -> None:
        """Take a reading; one that is a little older than the last one taken changes nothing.

        One that is much older says that the clock was set back: what lies in its future is dropped, for a
        curve goes from left to right.
        """
        if self.times and reading.time <= self.times[-1]:
            if reading.time > self.times[-1] - STEP_SECONDS:
                return
            self._drop_from(reading.time)
        values = {name: value for name in COLUMNS if (value := getattr(reading, name)) is not None}
        if self._in_last in {0, self._stride}:
            self._append(reading.time, values)
        else:
            self._merge(reading.time, values)
        self._in_last = self._in_last % self._stride + 1
        if len(self.times) >= POINTS:
            self._thin()

    def _drop_from(self, time: float) -> None:
        kept = bisect_left(self.times, time)
        del self.times[kept:]
        for column in self.columns.values():
            del column[kept:]
        self._in_last = 0

    def _append(self, time: float, values: Mapping[str, int]) -> None:
        for name in values.keys() - self.columns.keys():
            self.columns[name] = array("d", [ABSENT] * len(self.times))
        self.times.append(time)
        for name, column in self.columns.items():
            column.append(values.get(name, ABSENT))

    def _merge(self, time: float, values: Mapping[str, int]) -> None:
        self.times[-1] = time
        for name, column in self.columns.items():
            column[-1] = _higher(column[-1], values.get(name, ABSENT))

    def _thin(self) -> None:
        self.times = self.times[1::2]
        for name, column in self.columns.items():
            pairs = zip(column[::2], column[1::2], strict=True)
            self.columns[name] = array("d", (_higher(*pair) for pair in pairs))
        self._stride *= 2
        self._in_last = self._stride

    def as_json(self) -> dict[str, Any]:
        """Return the columns that have a value, as JSON knows them."""
        columns = {
            name: [None if math.isnan(value) else value for value in column]
            for name, column in self.columns.items()
        }
        return {"times": list(self.times), **columns}


def _higher(one: float, other: float) -> float:
    """Return the higher of two; NaN only if both are absent."""
    if math.isnan(one):
        return other
    return one if math.isnan(other) or one > other else other


class History:
    """The curves of one run by fold; one thread adds, others may ask."""

    def __init__(self) -> None:
        self._curves: dict[int | None, Curve] = {}
        self._lock = threading.Lock()

    def add(self, fold: int | None, reading: Reading) -> None:
        """Take a reading of ``fold``."""
        with self._lock:
            self._curves.setdefault(fold, Curve()).add(reading)

    def forget(self, fold: int | None) -> None:
        """Give up the curve of ``fold``."""
        with self._lock:
            self._curves.pop(fold, None)

    def take(self, snapshot: Snapshot) -> None:
        """Take the readings that ``snapshot`` holds and that are new."""
        for fold_snapshot in snapshot.folds:
            known = [*fold_snapshot.checkpoints.values(), *filter(None, [fold_snapshot.latest])]
            for reading in sorted(known, key=lambda reading: reading.time):
                self.add(fold_snapshot.fold, reading)

    def as_json(self, folds: Container[int | None] | None = None) -> list[dict[str, Any]]:
        """Return the curves, or those of ``folds``, in the order of their first readings; an absent value is None."""
        with self._lock:
            known = self._curves.items()
            curves = [(fold, curve) for fold, curve in known if folds is None or fold in folds]
            curves.sort(key=lambda item: item[1].times[0])
            return [{"fold": fold, **curve.as_json()} for fold, curve in curves]
