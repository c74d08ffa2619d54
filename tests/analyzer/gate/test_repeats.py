"""What is said of the repeats of a test: nothing of what a repeat gives back, and all that goes on growing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from analyzer.gate.repeats import MOST_REPEATS, Leftover, Repeats, read_allowances
from telemetry.errors import InputError
from tests.support.builders import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from analyzer.gate.checks import CheckOutcome

CHANCE = random.Random(11)
MB = 2**20
STEADY: dict[str, Callable[[int], float]] = {
    "flat": lambda _: 100,
    "a warm-up": lambda repeat: 100 + 30 * (repeat > 1),
    "one step": lambda repeat: 100 + 30 * (repeat > 7),
    "two steps": lambda repeat: 100 + 30 * (repeat > 4) + 30 * (repeat > 9),
    "a pool that fills up": lambda repeat: 100 + min(repeat, 8),
    "a saw-tooth": lambda repeat: 100 + 3 * (repeat % 4),
    "noise": lambda _: 100 + CHANCE.gauss(0, 4),
    "a fall": lambda repeat: 100 - repeat,
    "the allowance": lambda repeat: 100 + repeat,
}


def repeats(levels: Iterable[float], **given: object) -> Repeats:
    """Give the repeats after which so much RSS, in MB, was left, and as many descriptors."""
    left = [
        Leftover(reading(rss_bytes=round(level * MB), open_fds=round(level)), {})
        for level in levels
    ]
    return Repeats(read_allowances(given), left)


def outcomes(found: Repeats) -> dict[str, CheckOutcome]:
    """Return what came of each check, by what was asked."""
    return {one.name.removeprefix("test_it: "): one.outcome for one in found.checks("test_it")}


@pytest.mark.parametrize("shape", STEADY)
def test_what_a_repeat_gives_back_is_no_growth(shape: str) -> None:
    """However often it is looked at."""
    found = repeats(map(STEADY[shape], range(1, MOST_REPEATS + 1)), fds=1)
    checks = outcomes(found)
    assert checks["open_fds at most +1 a repeat"] == "passed"
    assert checks["rss at most +1 MB a repeat"] == "passed"


@pytest.mark.parametrize("by", [1.5, 2, 30])
def test_what_goes_on_growing_fails(by: float) -> None:
    """With noise of a third of it on top; the sentence says how much, and what was allowed."""
    levels = [100 + by * (repeat + CHANCE.random() / 3) for repeat in range(MOST_REPEATS)]
    found = repeats(levels)
    assert found.may_grow()
    checks = {one.name: one for one in found.checks("test_it")}
    check = checks["test_it: rss at most +1 MB a repeat"]
    assert check.outcome == "failed"
    assert check.sentence.startswith("rss grows by ")
    assert check.sentence.endswith(" MB a repeat, 1 MB allowed")
    assert outcomes(found)["open_fds at most 0 a repeat"] == "failed"


def test_what_stops_growing_once_it_is_found_is_no_growth() -> None:
    """A server in another thread may be late to close what each repeat has opened."""
    levels = [*range(1, MOST_REPEATS + 1)]
    assert outcomes(repeats([*levels, *[15] * 6]))["open_fds at most 0 a repeat"] == "passed"
    assert outcomes(repeats(range(1, 22)))["open_fds at most 0 a repeat"] == "failed"


def test_few_repeats_that_rise_are_looked_at_for_longer() -> None:
    """They may be a pool that fills up."""
    assert repeats([1, 2, 3, 4, 5], rss=None).may_grow()
    assert not repeats([1, 2, 2, 2, 2], rss=None).may_grow()
    assert not repeats([5, 5, 4, 5, 4], rss=None).may_grow()


def test_two_points_are_never_judged() -> None:
    """Nor what was not read, such as a count that this system does not have."""
    assert set(outcomes(repeats([1, 50])).values()) == {"unknown"}
    checks = outcomes(repeats(range(1, 16)))
    assert checks["maps at most +50 a repeat"] == "unknown"


WRONG: dict[str, dict[str, object]] = {
    "rss needs a unit: 1MB": {"rss": 5},
    "no resource thread; there are threads, ": {"thread": 0},
    "no amount of threads": {"threads": -1},
    "no amount of fds": {"fds": True},
    "threads is a count, and has no unit": {"threads": "1MB"},
    "no unit XB": {"rss": "1XB"},
    "at least 3 times": {"repeat": 2},
    "repeat='5'": {"repeat": "5"},
}


@pytest.mark.parametrize("words", WRONG)
def test_arguments_that_make_no_sense_are_refused(words: str) -> None:
    """With what there is."""
    with pytest.raises(InputError, match=words):
        read_allowances(WRONG[words])


def test_arguments_are_read_over_the_defaults() -> None:
    """Any resource of a budget can be named; none is judged whose allowance is None."""
    allowances = read_allowances(
        {"threads": None, "rss": "1.5MB", "gpu_memory": "2MB", "repeat": 7}
    )
    assert [str(one) for one in allowances.budgets] == [
        "maps at most +50 a repeat",
        "rss at most +1.5 MB a repeat",
        "open_fds at most 0 a repeat",
        "descendants at most 0 a repeat",
        "gpu_memory_used at most +2 MB a repeat",
    ]
    assert allowances.repeats == 7
    assert allowances.most_repeats == 21
