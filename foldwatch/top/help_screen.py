"""The screen that names the keys, the marks and the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foldwatch.top.lines import Span, line

if TYPE_CHECKING:
    from foldwatch.top.lines import Line

_KEYS = (
    ("Up Down  k j", "choose a run; in one run: scroll"),
    ("PgUp PgDn  b Space", "a screen up, a screen down"),
    ("Home End  g G", "the first, the last"),
    ("Enter  Right  l", "open: a run, or one of its ranks"),
    ("Esc  Left  h", "back; in the list: drop the filter"),
    ("/", "filter by name, state, stage, limit"),
    ("s", "sort: worst, fullest, latest, by name"),
    ("r", "read now"),
    ("q  Ctrl-C", "quit; what is watched goes on"),
)
_MARKS = (
    ("!!", "critical: act now, as below the list"),
    ("x", "ended badly, is silent, or cannot be read"),
    ("!", "a limit is over 80 % full, or an alert fires"),
    ("^", "grows from fold to fold"),
    ("*", "a limit of a child process"),
    ("LEFT", "until a limit is full at this rate"),
    ("-", "not known"),
)


def help_lines() -> list[Line]:
    """Return what the screen shows."""
    found: list[Line] = [line("KEYS", "bold")]
    found += [(Span(f"  {keys:<20}", "bold"), Span(words)) for keys, words in _KEYS]
    found += [line(), line("MARKS AND WORDS", "bold")]
    found += [(Span(f"  {mark:<9}", "bold"), Span(words)) for mark, words in _MARKS]
    return found
