"""The screens that are a list, of runs or of the ranks of one: a table, and below it what to do about the row that is chosen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foldwatch.top.lines import ABSENT, ColumnSpec, Span, cut, fit, line, row, widths, wrapped
from foldwatch.top.runs import BROKEN, CRITICAL, GROWING, WARNING, advice
from foldwatch.top.words import amount, level_style, limit_name, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from foldwatch.top.fields import Fields
    from foldwatch.top.lines import Line
    from foldwatch.top.runs import Row

RUN_COLUMNS = (
    ColumnSpec("", 2, 2),
    ColumnSpec("RUN", 10, 40),
    ColumnSpec("STATE", 10, 10),
    ColumnSpec("FOLD", 5, 11),
    ColumnSpec("STAGE", 8, 24, from_width=76),
    ColumnSpec("RANK", 4, 12, from_width=76),
    ColumnSpec("WORST LIMIT", 11, 19),
    ColumnSpec("FULL", 5, 5, is_number=True),
    ColumnSpec("LEFT", 8, 12, is_number=True),
)
RANK_COLUMNS = (
    ColumnSpec("", 2, 2),
    ColumnSpec("RANK", 4, 10),
    ColumnSpec("HOST", 8, 24, from_width=100),
    ColumnSpec("STATE", 10, 10),
    ColumnSpec("FOLD", 5, 11),
    ColumnSpec("STAGE", 8, 24, from_width=76),
    ColumnSpec("THREADS", 7, 9, is_number=True),
    ColumnSpec("MAPS", 7, 9, is_number=True, from_width=76),
    ColumnSpec("RSS", 8, 8, is_number=True),
    ColumnSpec("WORST LIMIT", 11, 19),
    ColumnSpec("FULL", 5, 5, is_number=True),
)
HEAD_LINES = 1
"""Of a table: its titles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTable:
    """Rows with their cells, in one of the two sets of columns."""

    columns: Sequence[ColumnSpec]
    rows: Sequence[Row]
    cells: Sequence[Sequence[str]]

    def lines(self, width: int, *, chosen: int | None = None) -> list[Line]:
        """Return the titles and a line of each row; the chosen one is marked without any colour."""
        wide = widths(self.columns, self.cells, width)
        titles = [column.title for column in self.columns]
        found = [cut(row(titles, self.columns, wide, styles=["bold"] * len(titles)), width)]
        for place, (one, cells) in enumerate(zip(self.rows, self.cells, strict=True)):
            spans = cut(row(cells, self.columns, wide, styles=self._styles(one)), width)
            if place == chosen:
                spans = (Span("".join(span.text for span in spans), "reverse"),)
            found.append(spans)
        return found

    def _styles(self, one: Row) -> list[str]:
        by_title = {"": one.style, "FULL": level_style(one.limit)}
        if one.state in {"failed", "died", "unreadable"}:
            by_title["STATE"] = "red"
        return [by_title.get(column.title, "") for column in self.columns]


def run_table(rows: Sequence[Row]) -> RowTable:
    """Return the table of runs."""
    return RowTable(columns=RUN_COLUMNS, rows=rows, cells=[_run_cells(one) for one in rows])


def rank_table(rows: Sequence[Row], full: Fields) -> RowTable:
    """Return the table of a run's ranks, with what the run in full says of each."""
    known = {(one.raw("host"), one.raw("rank")): one for one in full.parts("ranks")}
    cells = [_rank_cells(one, known) for one in rows]
    return RowTable(columns=RANK_COLUMNS, rows=rows, cells=cells)


def _run_cells(one: Row) -> list[str]:
    rank = one.shown.text("rank") or ABSENT
    return [
        one.mark,
        one.name,
        one.state,
        one.fold,
        one.shown.text("stage") or ABSENT,
        f"{rank} of {one.ranks}" if one.ranks > 1 else rank,
        *_limit_cells(one.limit),
        one.time_left,
    ]


def _rank_cells(one: Row, known: Mapping[tuple[str, str], Fields]) -> list[str]:
    held = known.get((one.key.host or "", one.key.rank or ""))
    sizes = [
        amount(name, held.number(name)) if held else ABSENT
        for name in ("threads", "maps", "rss_bytes")
    ]
    host, stage = (one.shown.text(name) or ABSENT for name in ("host", "stage"))
    return [one.mark, one.name, host, one.state, one.fold, stage, *sizes, *_limit_cells(one.limit)]


def _limit_cells(limit: Fields) -> list[str]:
    name = limit_name(limit.text("ceiling")) or ABSENT
    return [f"{name} *" if limit.text("child") else name, percent(limit.number("ratio"))]


def summary(rows: Sequence[Row], what: str, order: str) -> str:
    """Say how many there are, in which order, and how many need somebody."""
    count = f"{len(rows):,} {what}{'' if len(rows) == 1 else 's'}, {order}"
    bad = Counter(one.badness for one in rows)
    states = Counter(one.state for one in rows if one.badness == BROKEN)
    words = [f"{bad[CRITICAL]:,} critical"] if bad[CRITICAL] else []
    words += [f"{number:,} {state}" for state, number in sorted(states.items())]
    words += [f"{bad[WARNING]:,} to watch"] if bad[WARNING] else []
    words += [f"{bad[GROWING]:,} growing"] if bad[GROWING] else []
    return f"{count}: {', '.join(words) or 'nothing to do'}" if rows else count


def panel(one: Row | None, now: float | None, width: int, height: int) -> list[Line]:
    """Return what to do about a row now, in at most ``height`` lines: a command is the last thing to be cut."""
    if one is None:
        return []
    said = advice(one, now)
    alerts = f", 1 of {len(one.alerts)} alerts" if len(one.alerts) > 1 else ""
    name = one.name if one.key.rank is None else f"rank {one.name}"
    head = fit(f"-- {name}", width - len(alerts) - 4).rstrip() + alerts
    command = wrapped(said.command, width - 5) if said.command else []
    room = max(1, height - 1 - len(command))
    words = wrapped(said.words, width, most=min(3, room))
    later = wrapped(said.later, width, most=room - len(words)) if room > len(words) else []
    found = [line(f"{head} ".ljust(width, "-"), "dim"), *(line(text, "bold") for text in words)]
    found += [
        (Span("     " if place else "now: ", "bold"), Span(text))
        for place, text in enumerate(command)
    ]
    found += [line(text) for text in later if text]
    return found[:height]
