"""Who holds a limit, in one sentence, and what to do about the largest; what a journal may say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from telemetry.holders import COUNTED, EVENT, HolderKind, Holders, LimitHolder, clean_name
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import Event, decode, encode
from telemetry.limits import LIMITS
from tests.support.builders import NOW, holders

NEIGHBOUR = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="neigh.py", pid=812)
ZOMBIES = LimitHolder(kind=HolderKind.ZOMBIES, amount=30, name="zomb.py", pid=813, processes=30)
RUN = LimitHolder(kind=HolderKind.RUN, amount=25)


def test_the_sentence_names_each_holder_with_its_share() -> None:
    """As the issue words it."""
    expected = "pids_cgroup 386/400: neigh.py (pid 812) 331, zombies of zomb.py 30, this run 25"
    assert holders(NEIGHBOUR, ZOMBIES, RUN).sentence == expected


def test_memory_is_told_in_its_unit_and_what_is_not_seen_as_such() -> None:
    """Tasks that count and that nobody was seen to hold are no share of anybody's."""
    size = 2**20
    memory = holders(
        replace(RUN, amount=900 * size), limit="cgroup_memory", used=950 * size, most=1000 * size
    )
    assert memory.sentence == "cgroup_memory 950/1,000 MB: this run 900 MB"
    shared = holders(RUN, limit="host_memory", used=10 * size, most=11 * size, unseen=9 * size)
    assert shared.sentence == "host_memory 10/11 MB: this run 0 MB, of no process seen 9 MB"
    assert "/dev/shm" in shared.advice
    assert not shared.is_of_others
    hidden = holders(replace(RUN, amount=200), unseen=186)
    assert hidden.sentence == "pids_cgroup 386/400: this run 200, not seen from here 186"
    assert not holders(RUN, unseen=2).has_unseen


@pytest.mark.parametrize(
    ("top", "unseen", "word", "is_of_others"),
    [
        ((NEIGHBOUR, ZOMBIES, RUN), 0, "neigh.py (pid 812), which is not of this run", True),
        ((replace(ZOMBIES, amount=330), RUN), 0, "zomb.py (pid 813) must reap", True),
        ((replace(ZOMBIES, amount=330, pid=1), RUN), 0, "docker run --init", True),
        ((replace(RUN, amount=40),), 346, "cannot be seen from here", True),
        ((replace(RUN, amount=331, zombies=300, name="a.py", pid=5),), 0, "must reap", False),
        ((replace(RUN, amount=331), ZOMBIES), 0, LIMITS["pids_cgroup"].advice, False),
        ((replace(NEIGHBOUR, amount=200), replace(RUN, amount=186)), 0, "Cap the thread", True),
    ],
)
def test_the_advice_is_for_the_largest_holder(
    top: tuple[LimitHolder, ...],
    unseen: int,
    word: str,
    is_of_others: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Fewer threads here do not mend what somebody else fills; where this run has its part, both are told."""
    found = holders(*top, unseen=unseen)
    assert word in found.advice
    assert found.is_of_others is is_of_others


def test_nobody_is_told_to_cap_threads_for_what_a_neighbour_fills() -> None:
    """Neither first nor at all."""
    assert "Cap the thread pools" not in holders(NEIGHBOUR, ZOMBIES, RUN).advice


def test_every_limit_that_has_holders_is_one_that_alerts() -> None:
    """And each has its sentence and its advice."""
    for name in COUNTED:
        found = holders(NEIGHBOUR, RUN, limit=name)
        assert LIMITS[name].advice
        assert found.sentence.startswith(name)
        assert found.advice


def test_a_name_cannot_make_up_a_holder() -> None:
    """It has none of the sentence's marks, no line end, and an end."""
    assert clean_name("a.py (pid 1) 3, this run 9\n;") == "a.py _pid 1_ 3_ this run 9__"
    assert len(clean_name("x" * 1000)) == 60
    assert clean_name("") == "?"


def test_the_journal_gives_back_what_was_written() -> None:
    """Through a line of it."""
    found = holders(NEIGHBOUR, ZOMBIES, RUN, others=3, unseen=9)
    event = decode(encode(Event(time=NOW, pid=7, name=EVENT, facts=found.facts())))
    assert isinstance(event, Event)
    assert holders_of(event.facts, time=event.time) == found


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": "max_map_count"},
        {"used": -1},
        {"used": 2**64},
        {"most": "400"},
        {"top": [{"kind": "program", "amount": 1}] * 7},
        {"top": [{"kind": "god", "amount": 1}]},
        {"top": [{"kind": "program"}]},
        {"top": {}},
    ],
)
def test_a_record_that_no_recorder_writes_is_refused(changed: dict[str, Any]) -> None:
    """It costs itself alone: as a line, or as one that tells of no holders."""
    line = encode(
        Event(time=NOW, pid=7, name=EVENT, facts=holders(NEIGHBOUR, RUN).facts() | changed)
    )
    with pytest.raises(ValueError, match=r".+"):
        holders_of(getattr(decode(line), "facts", {}), time=NOW)


def test_a_name_in_a_journal_is_cleaned_as_well() -> None:
    """Whoever wrote it."""
    facts = holders(NEIGHBOUR).facts()
    facts["top"][0]["name"] = "evil\x1b[31m, this run 0" + "x" * 1000
    (found,) = holders_of(facts, time=NOW).top
    assert found.name == clean_name(facts["top"][0]["name"])
    assert found.name.isprintable()


def test_without_a_field_it_is_none() -> None:
    """Of another version, perhaps."""
    with pytest.raises(ValueError, match="used"):
        holders_of({"limit": "pids_cgroup"}, time=NOW)


def test_shares_of_nothing_are_none() -> None:
    """A use of 0 divides nothing."""
    empty = Holders(time=NOW, limit="nproc", used=0, most=9, scope="user 1", top=())
    assert empty.sentence == "nproc 0/9: nobody is seen"
    assert empty.run_share == 0.0
    assert empty.advice == LIMITS["nproc"].advice
