"""The labelled readings of one process: rows to callers, columns in memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import le
from typing import TYPE_CHECKING, NamedTuple, overload

from analyzer.logs.label_budget import FURTHER, LabelBudget, merged_label
from analyzer.logs.thinning import MOST_READINGS, kept_rows
from analyzer.resources import ABSENT, COLUMNS, LARGEST, RESOURCES
from telemetry.reading import LimitState, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from telemetry.reading import Limit
    from telemetry.thread_line import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One labelled reading; ``values`` and ``limits`` by the names of RESOURCES."""

    line: int
    time: float | None
    label: Label
    values: Mapping[str, int | None]
    limits: Mapping[str, Limit]

    def as_reading(self, *, pid: int, time: float, start_ticks: int | None = None) -> Reading:
        """Return it as a journal would have it; a text log itself knows neither ``pid`` nor ``time``."""
        limits = {RESOURCES[name].limit: limit for name, limit in self.limits.items()}
        return Reading(
            time=time,
            pid=pid,
            start_ticks=start_ticks,
            label=self.label.text,
            stage=self.label.stage,
            fold=self.label.fold,
            folds=self.label.folds,
            limits={name: limit for name, limit in limits.items() if name is not None},
            **{name: value for name, value in self.values.items() if value is not None},  # type: ignore[arg-type]
        )


def raise_peaks(peaks: dict[str, int], values: Mapping[str, int | None]) -> None:
    """Take values by resource that may be a new peak."""
    for name, value in values.items():
        if value is not None and value > peaks.get(name, -1):
            peaks[name] = value


class CheckpointContext(NamedTuple):
    """What many readings have in common: their label and the limits in force."""

    label: Label
    limits: Mapping[str, Limit]


class ContextNumbers:
    """Numbers labels with their limits, each once; beyond the budget those of a fold share one label."""

    def __init__(self, budget: LabelBudget | None = None) -> None:
        self.known: list[CheckpointContext] = []
        self.has_merged = False
        """Whether there were more labels than the budget, here or where they were read."""
        self._budget = budget or LabelBudget()
        self._numbers: dict[tuple[Label, int], int] = {}
        self._last: tuple[Label, Mapping[str, Limit], int] | None = None
        self._limits: dict[tuple[tuple[str, Limit], ...], tuple[int, Mapping[str, Limit]]] = {}
        """By the limits themselves, their number and the one mapping of them that is kept."""

    def number(self, label: Label, limits: Mapping[str, Limit]) -> int:
        """Return the place of a label and limits in ``known``, to which they are added if they are new."""
        if (last := self._last) is not None and last[0] == label and last[1] == limits:
            return last[2]
        number = self._number(label, limits)
        self._last = label, limits, number
        return number

    def _number(self, label: Label, limits: Mapping[str, Limit]) -> int:
        limits_number, kept = self._limits.setdefault(
            tuple(limits.items()), (len(self._limits), limits)
        )
        number = self._numbers.get((label, limits_number))
        if number is None:
            if not self._budget.has_room(len(self.known)):
                label = merged_label(label)
            self.has_merged |= label.stage == FURTHER
            number = self._numbers.setdefault((label, limits_number), len(self.known))
        if number == len(self.known):
            self.known.append(CheckpointContext(label, kept))
            self._budget.take()
        return number


class ReadingColumns:
    """Readings in columns: their lines, their times and their values."""

    def __init__(self) -> None:
        self.lines = array("q")
        self.columns = {name: array("q") for name in COLUMNS}
        self.times = array("d")
        """NaN for a reading without one."""
        self.left_out = 0
        """Readings that `analyzer.logs.thinning` left out."""

    def __len__(self) -> int:
        return len(self.lines)

    def seconds_since(self, time: float | None) -> float | None:
        """Return how long before ``time`` the last reading was made; None where that is not known."""
        if time is None or not self.times or math.isnan(self.times[-1]):
            return None
        return time - self.times[-1]

    def value(self, resource: str, row: int) -> int | None:
        """Return one value; rows may count from the end."""
        column = self.columns.get(resource)
        value = ABSENT if column is None else column[row]
        return None if value == ABSENT else value

    def known(self, resource: str) -> array[int]:
        """Return the values of ``resource`` that are known, in their order."""
        column = self.columns.get(resource, array("q"))
        return array("q", (v for v in column if v != ABSENT)) if ABSENT in column else column

    def peak(self, resource: str) -> int | None:
        """Return the highest value of ``resource``."""
        highest = max(self.columns.get(resource, ()), default=ABSENT)
        return None if highest == ABSENT else highest

    def over_time(self, resource: str) -> tuple[Sequence[int], Sequence[float] | None]:
        """Return the known values of ``resource`` by time, and their times; None where one has none."""
        values, times = self.columns.get(resource, array("q")), self.times
        if ABSENT in values:
            is_known = [value != ABSENT for value in values]
            values = array("q", compress(values, is_known))
            times = array("d", compress(times, is_known))
        if any(map(math.isnan, times)):
            return values, None
        if all(map(le, times, times[1:])):
            return values, times
        rows = sorted(range(len(times)), key=times.__getitem__)
        return [values[row] for row in rows], [times[row] for row in rows]

    def places(self, resource: str) -> Sequence[float] | None:
        """Return where the known values of ``resource`` stand among all readings; None where none was left out."""
        if not self.left_out or len(self) < 2:
            return None
        column, first = self.columns.get(resource, array("q")), self.lines[0]
        scale = (len(self) + self.left_out - 1) / max(1, self.lines[-1] - first)
        rows = range(len(column))
        return [(self.lines[row] - first) * scale for row in rows if column[row] != ABSENT]


class CheckpointTable(ReadingColumns, Sequence[Checkpoint]):
    """A list of `Checkpoint` that grows at its end; each is made anew when it is asked for.

    Of very many readings some are left out, as `analyzer.logs.thinning` says, and counted.
    """

    def __init__(self, budget: LabelBudget | None = None) -> None:
        super().__init__()
        self.contexts = ContextNumbers(budget)
        self.heads = self.contexts.known
        """Each once, in the order in which they came."""
        self.last_label: Label | None = None
        """As it was read, also where it was merged."""
        self._thin_at = MOST_READINGS
        self.head_of = array("q")
        """By row, its place in ``heads``."""
        self._pools: dict[int, Mapping[str, int]] = {}
        """By head, of its last reading."""
        self._last_of_each: tuple[int, Sequence[int]] = (0, ())
        """Of so many rows, the last one of each head."""

    @overload
    def __getitem__(self, index: int) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice) -> list[Checkpoint]: ...
    def __getitem__(self, index: int | slice) -> Checkpoint | list[Checkpoint]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        head = self.heads[self.head_of[row]]
        return Checkpoint(
            line=self.lines[row],
            time=None if math.isnan(self.times[row]) else self.times[row],
            label=head.label,
            values={name: self.value(name, row) for name in self.columns},
            limits=head.limits,
        )

    def last_pools(self) -> Iterator[tuple[Label, Mapping[str, int]]]:
        """Give each label with the threads by pool at its last reading; none but of a journal."""
        return ((self.heads[number].label, pools) for number, pools in self._pools.items())

    def append(self, sample: Checkpoint, pools: Mapping[str, int] | None = None) -> None:
        """Take a reading with limits and a time of its own, and its threads by pool."""
        known = sample.values
        if not known.keys() <= self.columns.keys():
            for name, value in known.items():
                if name not in self.columns and value is not None:
                    self.columns[name] = array("q", [ABSENT]) * len(self)
        self.last_label = sample.label
        number = self.contexts.number(sample.label, sample.limits)
        if pools is not None:
            self._pools.pop(number, None)  # the last one comes last
            self._pools[number] = pools
        self.head_of.append(number)
        self.lines.append(sample.line)
        for name, column in self.columns.items():
            value = known.get(name)
            column.append(ABSENT if value is None else min(LARGEST, value))
        self.times.append(math.nan if sample.time is None else sample.time)
        if len(self.lines) > self._thin_at:
            self.thin()
            self._thin_at = max(MOST_READINGS, 2 * len(self))

    def name_last(self) -> None:
        """Give the last reading its own label where that was merged: it tells how far the process came."""
        last = self.heads[self.head_of[-1]] if self.head_of else None
        if last is not None and last.label.stage == FURTHER and self.last_label is not None:
            self.head_of[-1] = len(self.heads)
            self.heads.append(last._replace(label=self.last_label))

    def thin(self) -> None:
        """Leave out readings of labels that come over and over."""
        texts: dict[str, int] = {}
        label_of = [texts.setdefault(head.label.text, len(texts)) for head in self.heads]
        labels = array("q", map(label_of.__getitem__, self.head_of))
        kept = kept_rows(labels, self.lines, self.columns)
        self.left_out += len(self) - len(kept)
        self.head_of = array("q", map(self.head_of.__getitem__, kept))
        self.lines = array("q", map(self.lines.__getitem__, kept))
        self.times = array("d", map(self.times.__getitem__, kept))
        for name, column in self.columns.items():
            self.columns[name] = array("q", map(column.__getitem__, kept))

    def of_labels(self, resource: str) -> list[CheckpointTable]:
        """Return the readings that know ``resource``, those of each label in a table of their own."""
        tables: dict[str, CheckpointTable] = {}
        for row, value in enumerate(self.columns.get(resource, ())):
            if value == ABSENT:
                continue
            table = tables.setdefault(self.label(row).text, CheckpointTable())
            table.times.append(self.times[row])
            table.columns.setdefault(resource, array("q")).append(value)
        return [*tables.values()]

    def steps(self, resource: str) -> tuple[int | None, int | None]:
        """Return the largest rise of ``resource`` between two readings, and that behind the last stage.

        The latter is the largest rise to the next reading after the last reading's stage in earlier folds;
        None where no earlier fold tells.
        """
        column = self.columns.get(resource)
        if column is None or len(column) < 2:
            return None, None
        largest, usual, stage = 0, None, self.label(-1).stage
        for row in range(len(column) - 1):
            before, after = column[row], column[row + 1]
            if ABSENT in (before, after):
                continue
            largest = max(largest, after - before)
            if self.label(row).stage == stage:
                usual = max(usual or 0, after - before)
        return largest, usual

    def labels(self) -> Iterator[Label]:
        """Give every label that occurs, the last new one last; those of many rows once."""
        return (head.label for head in self.heads)

    def limit(self, resource: str) -> Limit:
        """Return the last limit of ``resource`` that can be seen."""
        visible = {
            number: limit
            for number, head in enumerate(self.heads)
            if (limit := head.limits.get(resource, LimitState.INVISIBLE))
            is not LimitState.INVISIBLE
        }
        if not visible:
            return LimitState.INVISIBLE
        return next(visible[head] for head in reversed(self.head_of) if head in visible)

    def label(self, row: int) -> Label:
        """Return the label of one reading; rows may count from the end."""
        return self.heads[self.head_of[row]].label

    def last_stages(self) -> dict[int, str]:
        """Return, by fold in the order in which they began, the last stage that it reached."""
        found = {label.fold: "" for label in self.labels() if label.fold is not None}
        for row in self._last_rows(range(len(self))):
            label = self.label(row)
            if label.fold is not None:
                found[label.fold] = label.stage
        return found

    def series(self, resource: str) -> dict[str, dict[int, float]]:
        """Return, by stage, the last value of ``resource`` in each fold."""
        column = self.columns.get(resource)
        if column is None:
            return {}
        rows: Sequence[int] = range(len(column))
        if ABSENT in column:
            rows = [row for row in rows if column[row] != ABSENT]
        found: dict[str, dict[int, float]] = {}
        for row in self._last_rows(rows):
            label = self.label(row)
            if label.fold is not None:
                found.setdefault(label.stage, {})[label.fold] = column[row]
        # Of merged labels the last one may be an early one, and is not to be compared with the ends of others.
        if further := found.get(FURTHER):
            del further[max(further)]
        return found

    def _last_rows(self, rows: Sequence[int]) -> Sequence[int]:
        """Return the last one of ``rows`` of each head, ascending."""
        if len(rows) < len(self):
            return sorted({self.head_of[row]: row for row in rows}.values())
        if self._last_of_each[0] != len(self):
            found = dict(zip(self.head_of, rows, strict=True))
            self._last_of_each = (len(self), sorted(found.values()))
        return self._last_of_each[1]
