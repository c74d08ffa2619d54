"""An alert says who holds the limit, and what to do about that one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from telemetry.alerts.engine import AlertEngine
from telemetry.holders import EVENT, HolderKind, Holders, LimitHolder
from telemetry.journal.records import Event
from telemetry.limits import LIMITS
from telemetry.snapshot import FoldSnapshot, FoldState
from tests.support.builders import NOW, holders, reading, snapshot, with_records

if TYPE_CHECKING:
    from telemetry.alerts.alert import Alert
    from telemetry.reading import Reading

NEIGHBOUR = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="neigh.py", pid=812)
RUN = LimitHolder(kind=HolderKind.RUN, amount=34)
SENTENCE = "pids_cgroup 396/400: neigh.py (pid 812) 331, this run 34"


def at(used: int, time: float = NOW) -> Reading:
    return reading(1, time, stage=None, cgroup_pids=used, limits={"pids_cgroup": 400})


def event(found: Holders) -> Event:
    return Event(time=found.time, pid=7, name=EVENT, facts=found.facts())


def fold(*records: Reading | Event, ended_at: float | None = None) -> FoldSnapshot:
    state = FoldState.RUNNING if ended_at is None else FoldState.FAILED
    return with_records(FoldSnapshot(fold=1, state=state, ended_at=ended_at), records)


def told(*folds: FoldSnapshot, step: float = 0.3) -> list[Alert]:
    """Show these states of a fold one after the other; return what was sent."""
    sent: list[Alert] = []
    engine = AlertEngine(sent.append)
    for number, one in enumerate(folds):
        engine.observe([snapshot(one)], NOW + number * step)
    return sent


def test_the_sentence_is_in_the_alert_and_the_advice_is_for_the_neighbour() -> None:
    """Not for the thread pools here."""
    (alert,) = told(fold(event(holders(NEIGHBOUR, RUN, used=396)), at(396)))
    assert alert.summary == f"pids_cgroup is 99% full (396 of 400); {SENTENCE}"
    assert alert.description.startswith("neigh.py (pid 812), which is not of this run, holds 331")


def test_where_this_run_holds_the_most_the_advice_is_as_it_was() -> None:
    """Fewer threads here mend it."""
    own = holders(LimitHolder(kind=HolderKind.RUN, amount=390), used=396)
    (alert,) = told(fold(event(own), at(396)))
    assert alert.description == LIMITS["pids_cgroup"].advice
    assert alert.summary.endswith("this run 390")


@pytest.mark.parametrize(("age", "words"), [(60.0, "; 60 s before: pids_cgroup"), (200.0, "")])
def test_what_is_old_says_so_and_what_is_too_old_is_not_said(age: float, words: str) -> None:
    """It is looked at once a minute."""
    (alert,) = told(fold(event(holders(NEIGHBOUR, RUN, used=396, time=NOW - age)), at(396)))
    assert words in alert.summary
    assert ("neigh.py" in alert.summary) is bool(words)


def test_a_critical_alert_waits_a_moment_for_who_holds_it_now() -> None:
    """A label of the training shows it before who holds it is looked at."""
    before = event(holders(RUN, used=363))
    now = event(holders(NEIGHBOUR, RUN, used=396))
    first = fold(before, at(363), at(396, NOW + 0.1))
    assert told(first) == []
    (alert,) = told(first, fold(before, at(363), at(396, NOW + 0.1), now))
    assert SENTENCE in alert.summary


def test_it_does_not_wait_for_long_nor_for_a_fold_that_has_ended() -> None:
    """There may be seconds left."""
    late = fold(event(holders(RUN, used=363)), at(396))
    assert [alert.name for alert in told(late, late, step=1.1)] == ["FoldwatchCeilingCritical"]
    ended = fold(event(holders(RUN, used=363)), at(396), ended_at=NOW + 0.2)
    assert [alert.name for alert in told(late, ended)] == ["FoldwatchCeilingCritical"]


def test_it_does_not_wait_for_what_nobody_looks_at() -> None:
    """A journal of another version has no such event."""
    assert [alert.name for alert in told(fold(at(396)))] == ["FoldwatchCeilingCritical"]


def test_an_alert_that_holds_is_told_of_with_what_is_known_of_late() -> None:
    """On the page: summary and advice change together."""
    engine = AlertEngine()
    for one in (fold(at(396)), fold(at(396), event(holders(NEIGHBOUR, RUN, used=396)))):
        engine.observe([snapshot(one)], NOW)
    (alert,) = engine.active
    assert SENTENCE in alert.summary
    assert "neigh.py" in alert.description


def test_a_refusal_says_it_too() -> None:
    """Its advice is the neighbour's as well."""
    held = event(holders(NEIGHBOUR, RUN, used=396))
    folds = [fold(held, replace(at(396), pids_limit_hits=hits)) for hits in (0, 1)]
    names = {alert.name: alert for alert in told(*folds)}
    assert SENTENCE in names["FoldwatchPidsLimitHit"].summary
    assert "neigh.py" in names["FoldwatchPidsLimitHit"].description
