"""The rank that differs from the others: found where it does at nearly all labels, and only there."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from analyzer.growth.odd_one_out import LABELS, Measure, odd_in
from benchmarks.odd_ranks import LOADS, odd_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence


def labels(*values: Sequence[float]) -> list[dict[int, float]]:
    return [dict(enumerate(at)) for at in values]


def test_the_odd_one_is_told_with_what_the_others_hold() -> None:
    """At the latest label."""
    found = odd_in(labels(*[(100, 104, 300, 98)] * LABELS), Measure(1.0))
    assert found.keys() == {2}
    assert (found[2].value, found[2].lowest, found[2].highest, found[2].ranks) == (300, 98, 104, 3)


def test_less_than_the_others_is_odd_as_well() -> None:
    """A rank that has lost its workers."""
    assert odd_in(labels(*[(100, 104, 20, 98)] * 5), Measure(1.0)).keys() == {2}


@pytest.mark.parametrize(
    "values",
    [
        [(100, 104, 300, 98)] * 2,  # too few labels
        [(100, 104, 300, 98), *[(100, 104, 99, 98)] * 8],  # a jump
        [(300, 104, 99, 98), (100, 300, 99, 98), (100, 104, 300, 98)],  # each once
        [(100, 104, 20, 98), (100, 104, 300, 98)] * 3,  # above and below in turns
        [(100, 120, 150, 98)] * 5,  # as far apart as they all are
        [(2, 2, 14, 2)] * 5,  # a dozen of anything
        [(0, 0, 0, 0)] * 5,
    ],
)
def test_what_is_no_odd_one_is_none(values: list[tuple[float, ...]]) -> None:
    """Few labels, jumps, what differs anyhow, and what is small."""
    assert odd_in(labels(*values), Measure(1.0)) == {}


@pytest.mark.parametrize(("of", "times", "found_at_least"), [("held", 2, 85), ("cpu", 3, 80)])
def test_healthy_ranks_are_no_false_alarm_and_one_of_much_more_is_found(
    of: str, times: float, found_at_least: int
) -> None:
    """A sample of the benchmark."""
    chance, load = random.Random(3), LOADS[of]
    assert not any(odd_ranks(chance, load, times=1)[0] for _ in range(100))
    found = [odd_ranks(chance, load, times=times) for _ in range(100)]
    assert sum(called == {seeded} for called, seeded in found) > found_at_least
    assert not any(called - {seeded} for called, seeded in found)
