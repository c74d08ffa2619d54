"""A frame: what a model shows, as so many lines of so many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldwatch.top.fields import clean
from foldwatch.top.help_screen import help_lines
from foldwatch.top.lines import ABSENT, Span, cut, fit, line, wrapped
from foldwatch.top.list_screen import panel, rank_table, run_table, summary
from foldwatch.top.model import TopScreen
from foldwatch.top.run_screen import run_lines
from foldwatch.top.words import age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foldwatch.top.lines import Line
    from foldwatch.top.model import TopModel
    from foldwatch.top.runs import Row

TOP_LINES = 3
"""Of a list: what is watched, how many there are, and the titles."""


def frame(model: TopModel, width: int, height: int, *, has_blocks: bool = True) -> list[Line]:
    """Draw exactly ``height`` lines of ``width`` cells.

    Args:
        model: What to draw; it learns how many rows have room.
        width: Cells, at least 1.
        height: Lines, at least 1.
        has_blocks: Whether the terminal has the characters of a sparkline.
    """
    found, keys = _body(model, width, height, has_blocks=has_blocks)
    if model.is_typing:
        keys = f"/{clean(model.filter)}_   Enter keep  Esc drop"
    found = [cut(one, width) for one in found[: height - 1]]
    found += [line(" " * width)] * (height - 1 - len(found))
    return [*found, line(fit(keys, width), "reverse")]


def _body(model: TopModel, width: int, height: int, *, has_blocks: bool) -> tuple[list[Line], str]:
    """Return the lines above the last one, and what that says."""
    if model.is_help:
        return [_title(model, width), *help_lines()], "any key: back"
    if not model.state:
        words = wrapped(model.problem or "reading ...", width)
        return [_title(model, width), line(), *map(line, words)], "r read  q quit"
    if model.screen is TopScreen.DETAIL and model.opened is not None:
        return _detail(model, model.opened, width, height, has_blocks=has_blocks)
    return _list(model, width, height)


def _list(model: TopModel, width: int, height: int) -> tuple[list[Line], str]:
    rows = model.rows
    place = model.place(rows)
    chosen = rows[place] if rows else None
    table = rank_table(rows, model.full) if model.screen is TopScreen.RANKS else run_table(rows)
    below = panel(chosen, model.state.number("now"), width, height // 3)
    room = model.page_lines = max(1, height - 1 - TOP_LINES - len(below))
    model.first = max(0, min(place - room // 2, len(rows) - room))
    titles, *body = table.lines(width, chosen=place)
    found = [_title(model, width), _status(model, _counted(model, rows), width), titles]
    found += body[model.first : model.first + room]
    if not rows:
        found.append(line(_none(model)))
    found += [line()] * (TOP_LINES + room - len(found))
    back = "Esc back  " if model.screen is TopScreen.RANKS else ""
    return [*found, *below], f"{back}Enter open  / filter  s sort  ? help  q quit"


def _counted(model: TopModel, rows: Sequence[Row]) -> str:
    what = "run" if model.screen is TopScreen.RUNS else "rank"
    found = f"/{clean(model.filter)}: " if model.filter else ""
    words = found + summary(rows, what, model.sorted_by)
    hidden = (model.state.count("runs_in_all") or 0) - len(model.state.parts("runs"))
    return f"{words}; {hidden:,} more are not listed by the daemon" if hidden > 0 else words


def _none(model: TopModel) -> str:
    if model.filter:
        return "none has these words; Esc drops the filter"
    return "no run yet; each is shown as soon as it writes"


def _detail(
    model: TopModel, one: Row, width: int, height: int, *, has_blocks: bool
) -> tuple[list[Line], str]:
    now = model.state.number("now")
    lines = run_lines(one, model.full, now, width, has_blocks=has_blocks)
    room = max(1, height - 3)
    model.page_lines = max(1, room - 1)
    model.scrolled = max(0, min(model.scrolled, len(lines) - room))
    left = len(lines) - model.scrolled - room
    said = age(now, one.shown.number("last_time"))
    stage = one.shown.text("stage") or ABSENT
    words = f"{one.state}, fold {one.fold}, stage {stage}, read {said}{'' if said == ABSENT else ' ago'}"
    keys = "Esc back  j k scroll  r read  ? help  q quit"
    if left > 0:
        keys += f" | {left} more lines"
    shown = lines[model.scrolled : model.scrolled + room]
    return [_title(model, width), _status(model, words, width), *shown], keys


def _title(model: TopModel, width: int) -> Line:
    words = ["foldwatch top", model.source]
    if model.opened is not None and not model.is_help:
        shown = model.opened.shown
        words.append(shown.text("run"))
        if model.screen is TopScreen.DETAIL:
            rank = shown.text("rank")
            words += [shown.text("host"), rank and f"rank {rank}"]
    return (Span(fit("  ".join(filter(None, words)), width), "bold"),)


def _status(model: TopModel, words: str, width: int) -> Line:
    """Return the second line; that nothing new is read comes before all else."""
    return line(fit(model.problem or words, width), "red" if model.problem else "")
