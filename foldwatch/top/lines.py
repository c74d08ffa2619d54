"""Lines of a screen: spans of text with a style each, cut and laid out in columns. No terminal is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ABSENT = "-"
"""For a number that is not known; never 0."""
CUT = "~"


class Span(NamedTuple):
    """A piece of text, and how it is shown."""

    text: str
    style: str = ""
    """Of `STYLES`."""


STYLES = ("", "bold", "dim", "reverse", "red", "yellow", "green")
"""Without colour, what they say is in the words as well."""
Line: TypeAlias = tuple[Span, ...]


class ColumnSpec(NamedTuple):
    """A column of a table."""

    title: str
    least: int
    most: int
    """What it grows to where there is room."""
    is_number: bool = False
    from_width: int = 0
    """Of the table; a narrower one is without it."""


def line(text: str = "", style: str = "") -> Line:
    """Return a line of one span."""
    return (Span(text, style),)


def plain(spans: Line) -> str:
    """Return a line's text without blanks at its end."""
    return "".join(span.text for span in spans).rstrip()


def fit(text: str, width: int, *, is_number: bool = False) -> str:
    """Return ``text`` in exactly ``width`` cells, cut with a mark or filled with blanks."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(set_cell_size(text, max(0, width - 1)).rstrip() + CUT, width)
    blanks = " " * (width - length)
    return blanks + text if is_number else text + blanks


def wrapped(text: str, width: int, *, most: int | None = None) -> list[str]:
    """Return ``text`` in lines of at most ``width`` cells; of more than ``most`` lines the last is cut."""
    width = max(2, width)  # a character may take two
    rows: list[str] = []
    row = ""
    for word in text.split(" "):
        longer = f"{row} {word}" if row else word
        if cell_len(longer) <= width:
            row = longer
            continue
        if row:
            rows.append(row)
        while cell_len(word) > width:  # a path, or a language without blanks
            head = _head(word, width)
            rows.append(head)
            word = word[len(head) :]  # noqa: PLW2901 - what is left of it
        row = word
    rows.append(row)
    if most is not None and len(rows) > most:
        rows = [*rows[: most - 1], fit(" ".join(rows[most - 1 :]), width).rstrip()]
    return rows


def _head(word: str, width: int) -> str:
    """Return as much of a word as has room, at least one character."""
    used = 0
    for place, character in enumerate(word):
        used += cell_len(character)
        if used > width:
            return word[: max(1, place)]
    return word


def cut(spans: Line, width: int) -> Line:
    """Return a line in exactly ``width`` cells."""
    found: list[Span] = []
    left = width
    for text, style in spans:
        length = cell_len(text)
        if length > left:
            found.append(Span(fit(text, left), style))
            return tuple(found)
        found.append(Span(text, style))
        left -= length
    return (*found, Span(" " * left)) if left else tuple(found)


def widths(columns: Sequence[ColumnSpec], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return how wide each column is: what it holds, as far as there is room; 0 for one that such a width leaves out."""
    found = [column.least if width >= column.from_width else 0 for column in columns]
    wanted = [
        min(column.most, max((cell_len(row[place]) for row in rows), default=0))
        for place, column in enumerate(columns)
    ]
    left = width - sum(found) - sum(map(bool, found)) + 1
    while left > 0:
        short = [place for place, one in enumerate(found) if one and one < wanted[place]]
        for place in short[:left]:
            found[place] += 1
        if not short:
            break
        left -= len(short)
    return found


def row(
    cells: Iterable[str],
    columns: Sequence[ColumnSpec],
    wide: Sequence[int],
    *,
    styles: Sequence[str] = (),
) -> Line:
    """Return the cells of one row, each in its column."""
    spans: list[Span] = []
    for place, (cell, column, width) in enumerate(zip(cells, columns, wide, strict=True)):
        if width:
            text = fit(cell, width, is_number=column.is_number)
            style = styles[place] if styles else ""
            spans += [Span(text, style), Span(" ")]
    return tuple(spans[:-1])
