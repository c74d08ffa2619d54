"""Several commands in one line of a shell, and which of the lines below answers which of them.

``ulimit -u; cat /sys/fs/cgroup/pids.max; ps -L -u me | wc -l`` is answered by three lines. A command of which it
is not known how many lines it prints ends the pairing, unless none of its lines is a number alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from telemetry.late_pattern import RarePattern, late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ASKING = ("wc -l", "grep -c", "/proc/sys/", "pids.", "sysctl -n")
_ASKS = RarePattern(
    r"^[^\n]{0,400}?(?:\bwc -l|\bgrep -c|/proc/sys/|\bpids\.|sysctl -n|\bulimit -)[^\n]{0,400}\n",
    *ASKING,
    "ulimit -",
)
_BETWEEN = late_pattern(r"\s*(?:;|&&)\s*")
_VALUE = late_pattern(r"\s*(?P<value>\d{1,18}|max|unlimited)(?: /\S+)?[ \t]*$", re.MULTILINE)
_BEGIN = r"(?:^|[$#!%>] ?)(?:sudo )?"
_COUNTS = late_pattern(
    rf"\bwc -l|\bgrep -c|\bulimit -[SH]?[a-z]\b|{_BEGIN}(?:nproc|getconf \w+|id -u)\b"
)
_SHOWS_FILES = late_pattern(r"\b(?:cat|sysctl -n)(?P<files>(?: [^\s;|&<>]+)+)")
_SAYS_NOTHING = late_pattern(
    rf"{_BEGIN}(?:cd|export|set|unset|source|sleep|mkdir|module load|true)\b"
)
_NO_NUMBER_ALONE = late_pattern(
    rf"{_BEGIN}(?:[ef]?grep|free|df|uptime|date|hostname|uname|sysctl|nvidia-smi|lscpu)\b"
)
SKIPPED = 8
"""Lines of a command that prints no number alone, at most."""


class Value(NamedTuple):
    """A number that is alone in its line, or ``max`` or ``unlimited``, and where it stands."""

    text: str
    at: int


class Answered(NamedTuple):
    """A command, the line of the shell that it stands in, and the values that answer it."""

    command: str
    line: str
    values: Sequence[Value]


def is_several(line: str) -> bool:
    """Whether a line of a shell holds more than one command."""
    return _BETWEEN.search(line) is not None


def answers_to_several(text: str) -> Iterator[Answered]:
    """Give each of several commands in one line with its answers, as far as they can be told apart."""
    for match in _ASKS.finditer(text):
        line, at, skipped = match[0].rstrip("\n"), match.end(), 0
        for command in _BETWEEN.split(line) if is_several(line) else ():
            count = _values_of(command)
            if count is None and _NO_NUMBER_ALONE.search(command) is None:
                break
            skipped = SKIPPED if count is None else skipped
            values = [*_values(text, at, count or 0, skipped)]
            if len(values) < (count or 0):
                break
            if values:
                yield Answered(command, line, values)
                at, skipped = text.find("\n", values[-1].at) + 1 or len(text), 0


def _values_of(command: str) -> int | None:
    """Return how many lines of one number each a command prints; None if that is not known."""
    if _COUNTS.search(command):
        return 1
    if shown := _SHOWS_FILES.search(command):
        return len(shown["files"].split())
    return 0 if _SAYS_NOTHING.search(command) else None


def _values(text: str, at: int, count: int, skipped: int) -> Iterator[Value]:
    """Give so many values, one in each line from ``at`` on; before the first, so many other lines are skipped."""
    while count and at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if found := _VALUE.match(text, at, end):
            yield Value(found["value"], found.start("value"))
            count, skipped = count - 1, 0
        elif skipped:
            skipped -= 1
        else:
            return
        at = end + 1
