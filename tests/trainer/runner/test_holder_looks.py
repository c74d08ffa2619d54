"""The runner looks itself who holds a limit that a label shows to be near, before the alert of that label."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from telemetry.holders import EVENT, HolderKind, LimitHolder
from telemetry.journal.records import Event
from telemetry.kernel.process_identity import start_ticks
from tests.support.builders import NOW, holders, reading
from trainer.runner.holder_looks import HolderLooks

if TYPE_CHECKING:
    from telemetry.reading import Reading


def own() -> Reading:
    """Give a labelled reading of this very process, by which the host's memory is full."""
    one = reading(1, pid=os.getpid(), start_ticks=start_ticks(os.getpid()))
    return replace(one, host_memory_used_bytes=97, limits={"host_memory": 100})


def names(*records: Event | Reading, is_elsewhere: bool = False) -> list[str]:
    given = HolderLooks(is_elsewhere=is_elsewhere).with_looks(records)
    return [one.name if isinstance(one, Event) else "reading" for one in given]


def test_who_holds_it_comes_before_the_reading_that_shows_it() -> None:
    """Once: the next reading is looked at no more."""
    assert names(own(), own()) == [EVENT, "reading", "reading"]


def test_what_the_agent_has_said_is_not_looked_at_again() -> None:
    """Its event comes before its reading."""
    run = LimitHolder(kind=HolderKind.RUN, amount=1)
    facts = holders(run, limit="host_memory", used=97, most=100).facts()
    assert names(Event(time=NOW, pid=7, name=EVENT, facts=facts), own()) == [EVENT, "reading"]


@pytest.mark.parametrize("ticks", [1, None])
def test_another_process_of_that_number_is_not_looked_at(ticks: int | None) -> None:
    """A journal says what it likes."""
    assert names(replace(own(), start_ticks=ticks)) == ["reading"]


def test_a_process_on_another_host_is_not_looked_at() -> None:
    """Its number is somebody else's here."""
    assert names(own(), is_elsewhere=True) == ["reading"]
