"""What the number of memory maps has grown by."""

from __future__ import annotations

import pytest

from analyzer.growth.grown_parts import find_grown_maps
from analyzer.processes.settled import Settled


def folds(*maps: dict[str, int]) -> list[Settled]:
    return [
        Settled(number, None, (), {}, {}, one, {}, {}) for number, one in enumerate(maps, start=1)
    ]


def test_the_largest_part_comes_first_with_its_share() -> None:
    """Per fold, after the one in which libraries finish loading."""
    arena, library = "malloc arena", "/usr/lib/libtf.so.2 rw-p"
    found = find_grown_maps(
        folds(
            {arena: 5, "[heap]": 1},
            {arena: 10, "[heap]": 1, library: 500},
            {arena: 100, "[heap]": 1, library: 510},
            {arena: 190, library: 520},
        )
    )
    assert [(part.name, part.library) for part in found] == [
        (arena, None),
        (library, "libtf.so.2"),
    ]
    assert [part.amount for part in found] == [90, 10]
    assert [part.share for part in found] == pytest.approx([0.9, 0.1])


@pytest.mark.parametrize(
    "settled",
    [[], folds({"a": 1}), folds({}, {}), folds({"a": 2}, {"a": 1}, {"a": 1})],
    ids=["none", "one", "empty", "fewer"],
)
def test_nothing_is_named_where_nothing_has_grown(settled: list[Settled]) -> None:
    """Nor of one fold."""
    assert find_grown_maps(settled) == ()


def test_of_very_many_kinds_those_that_matter_are_named() -> None:
    """At most ten."""
    later = {f"kind {n}": 1000 if n < 3 else 1 for n in range(50)}
    assert [part.name for part in find_grown_maps(folds({"a": 1}, {"a": 1} | later))] == [
        *("kind 2", "kind 1", "kind 0")
    ]
