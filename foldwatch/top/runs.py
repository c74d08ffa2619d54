"""Rows: one of each run, or of each rank of one, the worst first; and what to do about it now."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from foldwatch.top.fields import clean
from foldwatch.top.lines import ABSENT
from foldwatch.top.words import folds_left, usage_words
from telemetry.formatting import format_duration
from telemetry.used_share import NEAR_RATIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from foldwatch.top.fields import Fields

CRITICAL, BROKEN, WARNING, GROWING, GOES_ON, OVER = range(6)
"""How bad it is, the worst first; BROKEN is what ended badly and raises no alert any more, or cannot be read."""
_BROKEN = {"failed", "died", "stale", "unreadable"}
SORTS = ("worst first", "fullest first", "latest first", "by name")


class RowKey(NamedTuple):
    """What a row is of, as its source calls it; without a host and a rank, the whole run."""

    run: str
    host: str | None = None
    rank: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run, or one rank of it."""

    key: RowKey
    shown: Fields
    """Of several ranks the worst."""
    name: str
    alerts: Sequence[Fields] = ()
    """The gravest first."""
    ranks: int = 1
    badness: int = GOES_ON

    @property
    def state(self) -> str:
        """One of the states of a run."""
        return self.shown.text("state") or ABSENT

    @property
    def limit(self) -> Fields:
        """The limit that is nearest."""
        return self.shown.part("binding")

    @property
    def fullness(self) -> float:
        """How full that is; -1 if that is not known."""
        ratio = self.limit.number("ratio")
        return -1.0 if ratio is None else ratio

    @property
    def fold(self) -> str:
        """The fold of how many, or how many there are."""
        fold, folds = self.shown.count("fold"), self.shown.count("folds")
        if fold is None:
            return ABSENT if folds is None else f"{ABSENT}/{folds}"
        return str(fold) if folds is None else f"{fold}/{folds}"

    @property
    def time_left(self) -> str:
        """How long until a limit of a run that goes on, by time if an alert says so, else in folds."""
        if self.state != "running":
            return ABSENT
        told = (alert.part("facts").text("time_left") for alert in self.alerts)
        return next(filter(None, told), "") or folds_left(self.shown.number("folds_to_limit"))

    @property
    def mark(self) -> str:
        """How bad it is in one character, for a screen without colour."""
        return {CRITICAL: "!!", BROKEN: "x", WARNING: "!", GROWING: "^"}.get(self.badness, "")

    @property
    def style(self) -> str:
        """How bad it is as a colour."""
        return {CRITICAL: "red", BROKEN: "red", WARNING: "yellow", GROWING: "yellow"}.get(
            self.badness, ""
        )


def run_rows(state: Fields) -> list[Row]:
    """Return a row of each run; one that is odd costs itself only."""
    members: dict[str, list[Fields]] = defaultdict(list)
    for one in state.parts("runs"):
        members[one.raw("run")].append(one)
    alerts = _alerts_by_run(state)
    return [_row(RowKey(run), some, alerts[run]) for run, some in members.items()]


def rank_rows(state: Fields, run: str) -> list[Row]:
    """Return a row of each rank of one run."""
    alerts: dict[RowKey, list[Fields]] = defaultdict(list)
    for one in _alerts_by_run(state)[run]:
        alerts[RowKey(run, one.part("labels").raw("host"), _rank_of(one))].append(one)
    members = [one for one in state.parts("runs") if one.raw("run") == run]
    keys = [RowKey(run, one.raw("host"), one.raw("rank")) for one in members]
    return [_row(key, [one], alerts[key]) for key, one in zip(keys, members, strict=True)]


def _rank_of(alert: Fields) -> str:
    return alert.part("labels").raw("rank") or alert.part("facts").raw("rank")


def _alerts_by_run(state: Fields) -> dict[str, list[Fields]]:
    """Return the alerts of each run, the gravest first, then the latest."""
    found: dict[str, list[Fields]] = defaultdict(list)
    for alert in state.parts("alerts"):
        found[alert.part("labels").raw("run")].append(alert)
    for alerts in found.values():
        alerts.sort(key=lambda one: (not is_critical(one), -(one.number("began") or 0.0)))
    return found


def is_critical(alert: Fields) -> bool:
    """Whether it is graver than a warning."""
    return alert.text("severity") == "critical"


def _row(key: RowKey, members: list[Fields], alerts: list[Fields]) -> Row:
    shown = min(members, key=_place)
    name = shown.text("run") if key.rank is None else shown.text("rank") or "launcher"
    return Row(
        key=key,
        shown=shown,
        name=name or ABSENT,
        alerts=alerts,
        ranks=len(members),
        badness=_badness(shown, alerts),
    )


def _place(one: Fields) -> tuple[bool, bool, float]:
    """Return what orders the ranks of a run: those that ended badly, then those that grow, then the fullest."""
    ratio = one.part("binding").number("ratio") or 0.0
    return one.text("state") not in _BROKEN, not one.flag("is_growing"), -ratio


def _badness(one: Fields, alerts: Sequence[Fields]) -> int:
    state = one.text("state")
    if any(map(is_critical, alerts)):
        return CRITICAL
    if state in _BROKEN or one.text("unreadable"):
        return BROKEN
    if alerts:
        return WARNING
    if state == "finished":
        return OVER
    limit = one.part("binding")
    if (limit.number("judged") or 0.0) > NEAR_RATIO:
        return WARNING
    return GROWING if one.flag("is_growing") else GOES_ON


def ordered(rows: Iterable[Row], sort: str) -> list[Row]:
    """Return rows in one of the orders of `SORTS`; of equals by name, so that none jumps about."""
    return sorted(
        rows, key=lambda row: (*_order(row, sort), _natural(row.name), row.key.host or "")
    )


def _order(row: Row, sort: str) -> tuple[float, ...]:
    """Return what comes before a row's name; a fullness counts as it is shown, so that rows keep their places."""
    fullness = -float(int(row.fullness * 100))
    if sort == SORTS[0]:
        is_well = row.badness == OVER or (row.badness == GOES_ON and row.key.rank is not None)
        return row.badness, 0.0 if is_well else fullness
    if sort == SORTS[1]:
        return (fullness,)
    return (-(row.shown.number("last_time") or -math.inf),) if sort == SORTS[2] else ()


def _natural(name: str) -> tuple[bool, int, str]:
    is_number = name.isascii() and name.isdecimal() and len(name) < 10
    return not is_number, int(name) if is_number else 0, name


def needs_somebody(row: Row) -> bool:
    """Whether there is something to do about it."""
    return row.badness <= GROWING


def matching(rows: Iterable[Row], words: str) -> list[Row]:
    """Return the rows that have each of the words somewhere, in whatever case."""
    wanted = words.lower().split()
    return [row for row in rows if all(word in _searched(row) for word in wanted)]


def _searched(row: Row) -> str:
    one = row.shown
    texts = (row.name, row.state, *map(one.text, ("host", "stage", "rank")))
    return " ".join((*texts, usage_words(row.limit) if row.limit else "")).lower()


class Advice(NamedTuple):
    """What is so, and what to do now."""

    words: str
    command: str = ""
    """To type, or empty."""
    later: str = ""
    """What helps for good."""


def advice(row: Row, now: float | None) -> Advice:
    """Return what to do about a run now: the gravest alert's help, else by its state."""
    if row.alerts:
        alert = row.alerts[0]
        command = alert.part("facts").text("command_now")
        return Advice(alert_words(alert, row), command, alert.text("description"))
    if row.badness == BROKEN:
        return _of_broken(row, now)
    if row.badness == OVER:
        return Advice("nothing to do: it has finished", _analyze(row))
    return _of_going(row)


def alert_words(alert: Fields, row: Row) -> str:
    """Return what an alert says, with the rank that it is of if the row is of several."""
    rank = clean(_rank_of(alert)) if row.ranks > 1 else ""
    return f"rank {rank}: {alert.text('summary')}" if rank else alert.text("summary")


def _of_going(row: Row) -> Advice:
    """Return what to do about a run that goes on, or is to."""
    if row.badness == WARNING:
        later = "Enter shows who holds it and how fast it fills."
        return Advice(usage_words(row.limit), later=later)
    if row.badness == GROWING:
        when = f", full in {row.time_left}" if row.time_left != ABSENT else ""
        return Advice(f"it grows from fold to fold{when}", _analyze(row))
    if row.state == "waiting":
        return Advice("nothing to do: no fold of it goes on, and more are to come")
    where = f": {usage_words(row.limit)}" if row.limit else ", no limit is known"
    return Advice(f"nothing to do{where}")


def _of_broken(row: Row, now: float | None) -> Advice:
    """Return what to do about a run that ended badly, is silent or cannot be read."""
    one, state = row.shown, row.state
    if one.text("unreadable"):
        later = "Run it with --group-readable, or look as its owner or as root."
        return Advice(f"it cannot be read whole: {one.text('unreadable')}", later=later)
    if state == "stale":
        last = one.number("last_time")
        silent = "" if now is None or last is None else f" for {format_duration(now - last)}"
        words = f"nothing was heard of it{silent}: it hangs, or its host is gone"
        return Advice(words, later="Look at its process and at the end of its output.log.")
    analyze = _analyze(row)
    how = one.text("cause") or "it wrote no word of how it ended"
    resume = one.text("resume")
    later = f"First look why: {analyze}" if analyze and resume else ""
    return Advice(f"{state}: {how}", resume or analyze, later)


def _analyze(row: Row) -> str:
    directory = row.shown.text("directory")
    return f"foldwatch analyze {shlex.quote(directory)}" if directory else ""
