r"""A user's regular expression for logs without ``[THREADS]`` lines: its named groups are the values.

The groups are those of `analyzer.resources` (threads, rss, gpu_memory, ...), for memory also its unit
(rss_unit, ...), and the limit beside it where one is known (gpu_memory_limit, ...); and fold, folds, epoch,
label. An expression with these only says where the values that follow belong. It runs in RE2, in time linear in the length of the log, so none can hang.

    --pattern 'Current memory usage: (?P<rss>[\d.,]+) MB'
    --pattern 'epoch (?P<epoch>\d+) .* threads=(?P<threads>\d+)'
    --pattern '^Epoch (?P<epoch>\d+)/' --pattern 'max_mem: (?P<gpu_memory>\d+)M'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from analyzer.resources import LARGEST, RESOURCES
from telemetry.errors import InputError
from telemetry.thread_line import Label, parse_label
from telemetry.user_regex import compile_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_RESOURCES = {resource.pattern_group: name for name, resource in RESOURCES.items()}
_IN_BYTES = frozenset(group for group, name in _RESOURCES.items() if name.endswith("_bytes"))
_UNITS = tuple(f"{group}_unit" for group in _RESOURCES if group in _IN_BYTES)
_LIMITS = {f"{r.pattern_group}_limit": name for name, r in RESOURCES.items() if r.limit is not None}
_PLACES = ("fold", "folds", "epoch", "label")
_LETTERS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_UNIT = re.compile(r"[ \t]?(?:(?P<letter>[kmgt])(?:i?b)?|b(?:ytes?)?)(?![a-z])", re.IGNORECASE)
# Digits, or groups of three with one kind of separator between them. A comma before one or two digits
# is a decimal one, for it separates no group of three.
_NUMBER = re.compile(
    r"\s*(?P<number>\d{1,3}(?:(?P<sep>[,_' ])\d{3})(?:(?P=sep)\d{3})*|\d{1,19})"
    r"(?P<part>\.\d{1,19}|,\d{1,2}(?!\d))?"
)
_GOES_ON = {*"0123456789,._'"}
"""What a number that ends before it is no number."""
DEFAULT_UNIT = "MB"
NOTHING_NAMED = "log line"
"""The label of a line whose pattern names none."""


class Match(NamedTuple):
    """What one matching line says; without values it says where those that follow belong."""

    places: Mapping[str, str]
    values: Mapping[str, int]
    limits: Mapping[str, int]


class LabelledMatch(NamedTuple):
    """The values of a line; ``label`` is given where their fold is, else it follows the last."""

    text: str
    label: Label | None
    values: Mapping[str, int]
    limits: Mapping[str, int]


class Matcher(Protocol):
    """What a line can be asked about."""

    def matches(self, content: bytes) -> Iterator[tuple[int, int, Match | str]]:
        """Give start, end and content of each match in ``content``; a str says why one is refused."""


class Found(NamedTuple):
    """A match in a block, whose line begins or goes on at offset ``at``; a str is a refusal."""

    at: int
    match: LabelledMatch | str
    pattern: Matcher
    writer: str | None = None
    time: float | None = None


class LinePattern:
    """A compiled expression over bytes, and what its named groups are."""

    def __init__(self, compiled: Any, names: Mapping[str, int], *, unit: str) -> None:
        """``unit`` is that of memory with none in ``rss_unit``, in the number or right behind it."""
        self._compiled = compiled
        self._unit = parse_unit(unit)
        numeric = {**_RESOURCES, **_LIMITS}
        self._values = {name: number for name, number in names.items() if name in numeric}
        self._others = {name: number for name, number in names.items() if name not in numeric}
        self.resources = tuple(_RESOURCES[name] for name in names if name in _RESOURCES)
        self.has_values = bool(self.resources)

    def matches(self, content: bytes) -> Iterator[tuple[int, int, Match | str]]:
        """Give start, end and content of each match in ``content``; a str says why one is refused."""
        for match in self._compiled.finditer(content):
            try:
                found: Match | str = self._read(match, content)
            except ValueError as error:
                found = str(error)
            yield *match.span(), found

    def _read(self, match: Any, content: bytes) -> Match:
        others = {
            name: value.decode("utf-8", "replace")
            for name, number in self._others.items()
            if (value := match.group(number))
        }
        values: dict[str, int] = {}
        limits: dict[str, int] = {}
        for name, number in self._values.items():
            start, end = match.span(number)
            if start < 0:
                continue
            text = content[start:end].decode("utf-8", "replace")
            group = name.removesuffix("_limit")
            said, resource = (limits if name in _LIMITS else values), _RESOURCES[group]
            if group in _IN_BYTES:
                behind = content[end : end + 8].decode("utf-8", "replace")
                said[resource] = self._size(text, others.get(f"{group}_unit"), behind)
            else:
                said[resource] = _whole(text)
        if self.has_values and not values:
            raise ValueError("the pattern matches, but none of its values is there")
        places = {name: text for name, text in others.items() if name in _PLACES}
        for name, text in places.items():
            if name != "label":
                _whole(text)
        return Match(places, values, limits)

    def _size(self, text: str, unit: str | None, behind: str) -> int:
        size, end = parse_number(text)
        said = unit or text[end:].strip()
        if said:
            return _counted(size * parse_unit(said))
        match = _UNIT.match(behind)
        return _counted(size * (self._unit if match is None else _size(match)))


class UserPattern(LinePattern):
    """A user's expression; raises InputError where it is broken or names nothing to read."""

    def __init__(self, expression: str, *, unit: str = DEFAULT_UNIT) -> None:
        """``unit`` is that of memory with none in ``rss_unit``, in the number or right behind it."""
        compiled = compile_expression(
            expression, option="--pattern", is_multiline=True, for_bytes=True
        )
        names = {name.decode(): number for name, number in compiled.groupindex.items()}
        groups = (*_RESOURCES, *_UNITS, *_LIMITS, *_PLACES)
        if unknown := sorted(set(names) - set(groups)):
            raise InputError(
                f"--pattern {expression!r}: no such group: {', '.join(unknown)}; "
                f"there are {', '.join(groups)}"
            )
        if not set(names) & {*_RESOURCES, *_PLACES}:
            raise InputError(
                f"--pattern {expression!r}: name one value at least, such as (?P<rss>...), "
                "(?P<threads>...) or (?P<gpu_memory>...), or a place: (?P<fold>...), (?P<epoch>...)"
            )
        super().__init__(compiled, names, unit=unit)
        self.expression = expression


def parse_unit(text: str) -> int:
    """Return the bytes of a unit: kB, KB, MB, MiB, Gb, g ..., all powers of 1024."""
    match = _UNIT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"unit {text!r}: not one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB")
    return _size(match)


def _size(match: re.Match[str]) -> int:
    return _LETTERS[(match["letter"] or "").lower()]


def parse_number(text: str) -> tuple[float, int]:
    """Return the number that ``text`` begins with, and where it ends. Raises ValueError."""
    match = _NUMBER.match(text)
    separator, part = ("", "") if match is None else (match["sep"] or "_", match["part"] or "")
    if match is None or part.startswith(separator) or text[match.end() :][:1] in _GOES_ON:
        raise ValueError(f"not a number: {text[:40]!r}")
    return float(match["number"].replace(separator, "") + part.replace(",", ".")), match.end()


def _whole(text: str) -> int:
    number, end = parse_number(text)
    if text[end:].strip() or number != int(number):
        raise ValueError(f"not a whole number: {text[:40]!r}")
    return _counted(number)


def _counted(number: float) -> int:
    if number > LARGEST:
        raise ValueError("a number that no kernel says")
    return round(number)


def labelled(match: Match, before: Mapping[str, str]) -> LabelledMatch:
    """Return the values of ``match`` under a label; ``before`` are the places that were named above it."""
    if not (before or match.places):
        return LabelledMatch(NOTHING_NAMED, None, match.values, match.limits)
    text, label = label_at({**before, **match.places})
    return LabelledMatch(text, label, match.values, match.limits)


def label_at(places: Mapping[str, str]) -> tuple[str, Label | None]:
    """Return the text of the label that stands for ``places``, and the label where their fold is given."""
    words = [places["label"]] if "label" in places else []
    if "epoch" in places:
        words.append(f"epoch {_whole(places['epoch'])}")
    stage = " ".join(words) or NOTHING_NAMED
    if "fold" not in places:
        return stage, None
    fold = _whole(places["fold"])
    if "folds" in places:
        text = f"Fold {fold}/{_whole(places['folds'])} {stage}"
        return text, parse_label(text)
    return f"Fold {fold} {stage}", Label(f"Fold {fold} {stage}", fold, None, stage)
