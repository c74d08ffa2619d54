"""The ranks of a run on the page: which is shown unasked, and what is told of each."""

from __future__ import annotations

import random
from dataclasses import replace

from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot, Snapshot
from telemetry.web.ranks import RANKS_SHOWN, first_shown, ranks_of
from tests.support.builders import NOW, reading, with_records


def rank(
    name: str, *, verdict: str = "stable", odd: tuple[str, ...] = (), run: str = "r"
) -> Snapshot:
    fold = with_records(
        FoldSnapshot(fold=2, state=FoldState.RUNNING), [reading(2, stage="START", maps=1850)]
    )
    growth = GrowthSnapshot(resource="maps", verdict=verdict, reason="", per_fold=730.0)
    return Snapshot(run=run, host="h", rank=name, folds=(fold,), growth=(growth,), odd=odd)


def test_the_rank_that_is_shown_does_not_change_with_who_wrote_last() -> None:
    """What grows comes first, then what differs, then the lowest number; another run is not looked at."""
    numbers = random.Random(4)
    for chosen, other in (
        (rank("10", verdict="critical"), rank("2", odd=("maps",))),
        (rank("10", odd=("maps",)), rank("2")),
        (rank("2"), rank("10")),
        (rank("2"), rank("")),
        (rank("2"), rank("9" * 5000)),
    ):
        several = [chosen, other, rank("30"), rank("31")]
        numbers.shuffle(several)
        assert first_shown([*several, rank("0", verdict="growing", run="another")]) == chosen
    assert first_shown([]) is None


def test_each_rank_is_told_with_its_verdict() -> None:
    """And where it is."""
    growing, calm = rank("1", verdict="growing", odd=("maps 9",)), rank("0")
    first, second = ranks_of(calm, [calm, growing])["ranks"]
    assert (first["rank"], first["fold"], first["stage"], first["maps"]) == ("1", 2, "START", 1850)
    assert first["growing"] == [{"resource": "maps", "per_fold": 730.0, "verdict": "growing"}]
    assert (first["odd"], second["growing"], second["is_judged"]) == (["maps 9"], [], True)


def test_one_rank_alone_is_no_list_and_many_are_bounded() -> None:
    """What is left out is counted."""
    assert ranks_of(rank("0"), [rank("0"), rank("1", run="another")])["ranks"] == []
    many = [rank(str(number)) for number in range(RANKS_SHOWN + 7)]
    found = ranks_of(many[0], many)
    assert (len(found["ranks"]), found["ranks_left_out"]) == (RANKS_SHOWN, 7)


def test_a_rank_that_died_or_is_silent_comes_before_one_that_grows() -> None:
    """The collective waits for it."""
    growing = rank("0", verdict="critical")
    silent, died = (
        replace(rank(name), folds=(replace(growing.folds[0], state=state),))
        for name, state in (("8", FoldState.STALE), ("9", FoldState.DIED))
    )
    shown = ranks_of(growing, [growing, rank("1"), silent, died])["ranks"]
    assert [one["rank"] for one in shown] == ["9", "8", "0", "1"]
    assert shown[0]["last_time"] == NOW
