"""The screen of one run, or of one rank of it: what to do now, its limits and who holds them, curves, and what is in it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.reports.sparkline import ASCII, BLOCKS, sparkline
from foldwatch.top.lines import ABSENT, ColumnSpec, Span, line, row, widths, wrapped
from foldwatch.top.runs import advice, alert_words, is_critical
from foldwatch.top.words import (
    RESOURCES,
    age,
    amount,
    bar,
    folds_left,
    level_style,
    limit_name,
    percent,
)
from telemetry.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from foldwatch.top.fields import Fields
    from foldwatch.top.lines import Line
    from foldwatch.top.runs import Row

POOLS_SHOWN = 10
FOLDS_SHOWN = 20
_LIMITS = (
    ColumnSpec("LIMIT", 11, 16),
    ColumnSpec("", 10, 10),
    ColumnSpec("FULL", 5, 5, is_number=True),
    ColumnSpec("USED", 9, 12, is_number=True),
    ColumnSpec("OF", 9, 12, is_number=True),
)
_CHILDREN = (
    ColumnSpec("CHILD", 18, 40),
    ColumnSpec("THREADS", 7, 9, is_number=True),
    ColumnSpec("MAPS", 7, 9, is_number=True, from_width=76),
    ColumnSpec("RSS", 8, 8, is_number=True),
    ColumnSpec("FILES", 6, 8, is_number=True, from_width=76),
    ColumnSpec("WORST LIMIT", 11, 19),
    ColumnSpec("FULL", 5, 5, is_number=True),
)
_FOLDS = (
    ColumnSpec("FOLD", 4, 8),
    ColumnSpec("STATE", 10, 10),
    ColumnSpec("TOOK", 8, 8, is_number=True),
    ColumnSpec("", 10, 200),
)


def run_lines(
    one: Row, full: Fields, now: float | None, width: int, *, has_blocks: bool = True
) -> list[Line]:
    """Return the whole of it; what there is no room for, the screen scrolls to.

    Args:
        one: Its row.
        full: It in full; empty until its source has given it.
        now: Of the state.
        width: Of the screen.
        has_blocks: Whether the terminal has the characters of a sparkline.
    """
    found = [*_now(one, now, width)]
    if not full:
        return [*found, line(), line("its numbers are being read", "dim")]
    for section in (
        _limits(full, now, width),
        _curves(full, width, BLOCKS if has_blocks else ASCII),
        _growth(full, width),
        _children(full, width),
        _pools(full, width),
        _folds(full, now, width),
    ):
        lines = list(section)
        if lines:
            found += [line(), *lines]
    return found


def _now(one: Row, now: float | None, width: int) -> Iterator[Line]:
    said = advice(one, now)
    style = one.style or "bold"
    yield from (line(text, style) for text in wrapped(said.words, width))
    yield from _command(said.command, width)
    yield from (line(text) for text in wrapped(said.later, width) if text)
    told = {said.command}
    for alert in one.alerts[1:]:
        yield line()
        style = "red" if is_critical(alert) else "yellow"
        yield from (line(text, style) for text in wrapped(alert_words(alert, one), width))
        command = alert.part("facts").text("command_now")
        if command not in told:
            yield from _command(command, width)
        told.add(command)
    unreadable = one.shown.text("unreadable")
    if unreadable and one.alerts:
        words = f"not all of it can be read: {unreadable}"
        yield from (line(text, "red") for text in wrapped(words, width))


def _command(command: str, width: int) -> Iterator[Line]:
    if command:
        for place, text in enumerate(wrapped(command, width - 5)):
            yield (Span("     " if place else "now: ", "bold"), Span(text))


def _limits(full: Fields, now: float | None, width: int) -> Iterator[Line]:
    """Give the limits that are known, the fullest first, each with who holds it; then those that are not."""
    limits = full.parts("ceilings")
    known = [one for one in limits if one.number("ratio") is not None]
    known.sort(key=lambda one: -(one.number("ratio") or 0.0))
    holders = {one.text("ceiling"): one for one in full.parts("holders")}
    cells = [
        [
            limit_name(one.text("ceiling")),
            bar(one.number("ratio")),
            percent(one.number("ratio")),
            amount(one.text("ceiling"), one.number("current")),
            amount(one.text("ceiling"), one.number("limit")),
        ]
        for one in known
    ]
    wide = widths(_LIMITS, cells, width)
    if known:
        yield _titles(_LIMITS, wide)
    for one, some in zip(known, cells, strict=True):
        style = level_style(one)
        yield row(some, _LIMITS, wide, styles=["", style, style, "", ""])
        held = holders.get(one.text("ceiling"))
        if held:
            words = f"{held.text('sentence')} ({age(now, held.number('time'))} ago)"
            yield from (line(f"  {text}", "dim") for text in wrapped(words, width - 2))
    others = [one for one in limits if one.number("ratio") is None]
    words = ", ".join(
        f"{limit_name(one.text('ceiling'))} {one.text('limit') or ABSENT}" for one in others
    )
    if words:
        yield from (line(text, "dim") for text in wrapped(f"others: {words}", width))
    hits, kills = (full.part("hits").count(name) for name in ("pids_limit_hits", "oom_kills"))
    if hits:
        yield line(f"forks refused at the limit on PIDs: {hits:,}", "red")
    if kills:
        yield line(f"processes killed for memory: {kills:,}", "red")


def _curves(full: Fields, width: int, characters: str) -> Iterator[Line]:
    """Give a sparkline of each number over the whole run, with its first and its present value."""
    curves = full.parts("curves")
    room = max(10, min(60, width - 12 - 23))
    flat = []
    for column, name in RESOURCES.items():
        points = _points(curves, column)
        values = [value for _, value in points if value is not None]
        if not values:
            continue
        first, last = (amount(column, value) for value in (values[0], values[-1]))
        if min(values) == max(values):
            flat.append(f"{name} {last}")
            continue
        drawn = sparkline(_by_time(points, room), width=room, characters=characters)
        words = f"{first} to {last}"
        yield (Span(f"{name:<12}"), Span(f"{drawn:<{room}}"), Span(f" {words}"))
    if flat:
        words = f"unchanged: {', '.join(flat)}"
        yield from (line(text, "dim") for text in wrapped(words, width))


def _points(curves: Sequence[Fields], column: str) -> list[tuple[float, float | None]]:
    found: list[tuple[float, float | None]] = []
    for curve in curves:
        values = curve.series(column)
        times = curve.series("times")
        found += [
            (time, value) for time, value in zip(times, values, strict=False) if time is not None
        ]
    return sorted(found, key=lambda point: point[0])


def _by_time(points: Sequence[tuple[float, float | None]], width: int) -> list[float | None]:
    """Return the highest value of each stretch of time; a short one without a reading has the one before it."""
    began, span = points[0][0], points[-1][0] - points[0][0]
    found: list[float | None] = [None] * width
    places = [
        min(width - 1, int((time - began) / span * width)) if span else 0 for time, _ in points
    ]
    for place, (_, value) in zip(places, points, strict=True):
        if value is not None:
            found[place] = max(value, found[place] or 0.0)
    usual = max((later - place for place, later in pairwise(places)), default=1)
    for place in range(1, width if span else 1):
        if found[place] is None and usual < width // 4:
            found[place] = found[place - 1]
    return found


def _growth(full: Fields, width: int) -> Iterator[Line]:
    """Give what is judged to grow, with the folds that are left, and how this rank differs from the others."""
    for one in full.parts("growth"):
        if one.text("verdict") in {"stable", "inconclusive", "warm-up"}:
            continue
        name = RESOURCES.get(one.text("resource"), one.text("resource"))
        child = f" of {one.text('child')}" if one.text("child") else ""
        rate = one.number("per_fold")
        words = f"{name}{child} {one.text('verdict')}"
        if rate is not None:
            words += f", +{amount(one.text('resource'), rate)} a fold"
        if one.number("folds_to_limit") is not None:
            words += f", full in {folds_left(one.number('folds_to_limit'))}"
        yield from (line(text, "yellow") for text in wrapped(words, width))
        for grown in (one.text("reason"), *one.texts("grown")):
            yield from (line(f"  {text}") for text in wrapped(grown, width - 2) if text)
    for words in full.texts("odd"):
        yield from (line(text, "yellow") for text in wrapped(words, width))


def _children(full: Fields, width: int) -> Iterator[Line]:
    children = full.parts("children")
    if not children:
        return
    cells = [
        [
            one.text("child") or ABSENT,
            *(
                amount(name, one.number(name))
                for name in ("threads", "maps", "rss_bytes", "open_fds")
            ),
            limit_name(one.part("binding").text("ceiling")) or ABSENT,
            percent(one.part("binding").number("ratio")),
        ]
        for one in children
    ]
    wide = widths(_CHILDREN, cells, width)
    yield _titles(_CHILDREN, wide)
    for one, some in zip(children, cells, strict=True):
        styles = [""] * (len(_CHILDREN) - 1) + [level_style(one.part("binding"))]
        yield row(some, _CHILDREN, wide, styles=styles)
    tree = full.part("tree")
    below = tree.count("descendants")
    if below is not None and below > len(children):
        yield line(f"the nearest to a limit of {below:,} in all", "dim")


def _pools(full: Fields, width: int) -> Iterator[Line]:
    """Give the threads by pool, the largest first, and by how many each has grown since the fold's first label."""
    pools = full.parts("pools")
    if not pools:
        return
    total = full.count("threads")
    yield line("THREADS BY POOL" + ("" if total is None else f" ({total:,} in all)"), "bold")
    largest = max((one.count("threads") or 0 for one in pools), default=0)
    room = max(12, min(30, width - 40))
    for one in pools[:POOLS_SHOWN]:
        count, first = one.count("threads"), one.count("at_first")
        grown = (
            "" if count is None or first is None else f"{count - first:+,} since the first label"
        )
        ratio = None if count is None or not largest else count / largest
        cells = (one.text("pool") or ABSENT, bar(ratio), amount("threads", count))
        columns = (ColumnSpec("", room, room), _LIMITS[1], ColumnSpec("", 7, 7, is_number=True))
        spans = row(cells, columns, [room, 10, 7])
        is_more = count is not None and first is not None and count > first
        yield (*spans, Span(f"  {grown}", "yellow" if is_more else "dim"))
    if len(pools) > POOLS_SHOWN:
        yield line(f"and {len(pools) - POOLS_SHOWN} more pools", "dim")


def _folds(full: Fields, now: float | None, width: int) -> Iterator[Line]:
    """Give the latest folds, the last one first."""
    folds = full.parts("parts")[::-1]
    left_out = max(0, len(folds) - FOLDS_SHOWN) + (full.count("parts_left_out") or 0)
    cells = [_fold(one, now) for one in folds[:FOLDS_SHOWN]]
    if not cells:
        return
    wide = widths(_FOLDS, cells, width)
    yield _titles(_FOLDS, wide)
    for some in cells:
        style = "red" if some[1] in {"failed", "died"} else ""
        yield row(some, _FOLDS, wide, styles=["", style, "", ""])
    if left_out:
        yield line(f"and {left_out:,} folds before", "dim")


def _fold(one: Fields, now: float | None) -> list[str]:
    state, code = one.text("state") or ABSENT, one.count("exit_code")
    seconds, began, ended = (one.number(name) for name in ("seconds", "began_at", "ended_at"))
    until = now if state == "running" else ended
    if seconds is None and began is not None and until is not None:
        seconds = max(0.0, until - began)
    what = one.text("cause") or (one.text("stage") if state == "running" else "")
    if code and not one.text("cause"):
        what = f"exit code {code}"
    number = one.count("fold")
    took = ABSENT if seconds is None else format_duration(seconds)
    return [ABSENT if number is None else str(number), state, took, what]


def _titles(columns: Sequence[ColumnSpec], wide: Sequence[int]) -> Line:
    titles = [column.title for column in columns]
    return row(titles, columns, wide, styles=["bold"] * len(titles))
