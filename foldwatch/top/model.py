"""`TopModel`: what was read last, and where in it the user is; keys change that."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from foldwatch.top.fields import Fields, clean
from foldwatch.top.runs import SORTS, matching, ordered, rank_rows, run_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from foldwatch.top.runs import Row, RowKey

LONGEST_FILTER = 60


class TopScreen(enum.Enum):
    """What may be on the screen."""

    RUNS = enum.auto()
    RANKS = enum.auto()
    DETAIL = enum.auto()


class TopModel:
    """The state that was read last, and where in it the user is.

    Invariant: what is chosen is known by its name, so it stays chosen wherever a new state puts it; until somebody
    moves, that is the first one: the worst.
    """

    def __init__(self, source: str) -> None:
        """Take what is watched, in words."""
        self.source = clean(source)
        self.state = Fields(None)
        self.problem = ""
        """Why there is no newer state; empty while there is."""
        self.screen = TopScreen.RUNS
        self.run: Row | None = None
        """The run that is opened."""
        self.rank: Row | None = None
        """Its rank that is opened."""
        self.filter, self.is_typing, self.is_help = "", False, False
        self.scrolled = 0
        """Lines of one run above the screen."""
        self.first, self.page_lines = 0, 1
        """The first row on the screen, and how many have room: set by who draws."""
        self._chosen: dict[TopScreen, RowKey] = {}
        self._sort = 0

    @property
    def opened(self) -> Row | None:
        """The rank that is opened, or the run."""
        return self.rank or self.run

    @property
    def wanted(self) -> tuple[str, str, str] | None:
        """The run, host and rank to be read in full; None for none."""
        if self.opened is None:
            return None
        shown = self.opened.shown
        return shown.raw("run"), shown.raw("host"), shown.raw("rank")

    @property
    def full(self) -> Fields:
        """What is opened in full; empty while that was not read."""
        full = self.state.part("run")
        it = full.raw("run"), full.raw("host"), full.raw("rank")
        is_meant = it[:1] == (self.wanted or ())[:1] and self.screen is TopScreen.RANKS
        return full if it == self.wanted or is_meant else Fields(None)

    @property
    def rows(self) -> list[Row]:
        """The rows of the list, in their order."""
        rows = self._ranks() if self.screen is TopScreen.RANKS else run_rows(self.state)
        return ordered(matching(rows, self.filter), self.sorted_by)

    @property
    def sorted_by(self) -> str:
        """One of `SORTS`."""
        return SORTS[self._sort]

    def place(self, rows: Sequence[Row]) -> int:
        """Return which row is chosen."""
        chosen = self._chosen.get(self.screen)
        return next((place for place, one in enumerate(rows) if one.key == chosen), 0)

    def take(self, state: object) -> bool:
        """Show a new state; what is opened and gone from it stays as it was.

        Returns:
            Whether something must be read: a run that is alone at first is opened at once.
        """
        is_first = not self.state
        self.state, self.problem = Fields(state), ""
        if is_first and len(self.rows) == 1:
            return self.open()
        if self.run is not None:
            self.run = _newer(self.run, run_rows(self.state))
        if self.rank is not None:
            self.rank = _newer(self.rank, self._ranks())
        return False

    def lose(self, problem: str) -> None:
        """Say why there is no new state; the one before stays."""
        self.problem = clean(problem)

    def press(self, key: str, character: str | None = None) -> bool:
        """Take a key, by Textual's name and as it is typed; return whether something must be read for it."""
        if self.is_help:
            self.is_help = False
            return False
        if self.is_typing:
            self._type(key, character)
            return False
        action = KEYS.get(character or "") or KEYS.get(key)
        return bool(action and action(self))

    def _type(self, key: str, character: str | None) -> None:
        if key == "escape":
            self.filter, self.is_typing = "", False
        elif key == "enter":
            self.is_typing = False
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif key == "ctrl+u":
            self.filter = ""
        elif character and character.isprintable() and len(self.filter) < LONGEST_FILTER:
            self.filter += character

    def move(self, by: int) -> None:
        """Choose another row, or scroll."""
        if self.screen is TopScreen.DETAIL:
            self.scrolled = max(0, self.scrolled + by)
        elif rows := self.rows:
            self.choose(rows, self.place(rows) + by)

    def choose(self, rows: Sequence[Row], place: int) -> None:
        """Choose the row that is nearest to ``place``."""
        self._chosen[self.screen] = rows[min(len(rows) - 1, max(0, place))].key

    def open(self) -> bool:
        """Open what is chosen."""
        rows = self.rows
        if self.screen is TopScreen.DETAIL or not rows:
            return False
        one = rows[self.place(rows)]
        self._chosen[self.screen] = one.key
        self.filter, self.scrolled = "", 0
        if self.screen is TopScreen.RUNS:
            self.run = one
            self._chosen.pop(TopScreen.RANKS, None)
            self.screen = TopScreen.RANKS if one.ranks > 1 else TopScreen.DETAIL
        else:
            self.rank, self.screen = one, TopScreen.DETAIL
        return True

    def back(self) -> bool:
        """Go back to where this was opened from; in the list of runs, drop the filter."""
        self.filter = ""
        if self.rank is not None:
            self.rank, self.screen = None, TopScreen.RANKS
        else:
            self.run, self.screen = None, TopScreen.RUNS
        return self.run is not None

    def sort(self) -> None:
        """Take the next order."""
        self._sort = (self._sort + 1) % len(SORTS)

    def ask_filter(self) -> None:
        """Type a filter from now on."""
        self.is_typing = self.screen is not TopScreen.DETAIL

    def ask_help(self) -> None:
        """Show the keys until the next one."""
        self.is_help = True

    def _ranks(self) -> list[Row]:
        return [] if self.run is None else rank_rows(self.state, self.run.key.run)


def _newer(one: Row, rows: Sequence[Row]) -> Row:
    return next((row for row in rows if row.key == one.key), one)


_FAR = 10**6
KEYS: dict[str, Callable[[TopModel], object]] = {
    **dict.fromkeys(("down", "j"), lambda model: model.move(1)),
    **dict.fromkeys(("up", "k"), lambda model: model.move(-1)),
    **dict.fromkeys(
        ("pagedown", "space", "ctrl+f", "ctrl+d"), lambda model: model.move(model.page_lines)
    ),
    **dict.fromkeys(
        ("pageup", "b", "ctrl+b", "ctrl+u"), lambda model: model.move(-model.page_lines)
    ),
    **dict.fromkeys(("home", "g"), lambda model: model.move(-_FAR)),
    **dict.fromkeys(("end", "G"), lambda model: model.move(_FAR)),
    **dict.fromkeys(("enter", "right", "l"), TopModel.open),
    **dict.fromkeys(("escape", "left", "h", "backspace"), TopModel.back),
    "/": TopModel.ask_filter,
    "s": TopModel.sort,
    "?": TopModel.ask_help,
    "r": lambda _: True,
}
"""By what is typed, or else by the name of the key."""
