"""Which code grew: the calls that two looks have in common, and pairs of looks; false names first."""

from __future__ import annotations

from typing import Any

import pytest

from analyzer.growth.grown_code import find_code, find_started
from analyzer.growth.grown_parts import find_grown_code
from analyzer.processes.attributed import Attributed, attributed_of

ROOT, MAIN, TRAIN, DECOY, LEAK = range(5)
FUNCTIONS = ("", "<module>", "train", "decoy", "leak")
CALLERS = (0, ROOT, MAIN, TRAIN, TRAIN)


def found(
    grown: dict[int, dict[str, int]],
    *pairs: tuple[int, int, int, int, int, int],
    looks: dict[int, int] | None = None,
    started: list[dict[str, Any]] | None = None,
    shared: dict[str, int] | None = None,
) -> Attributed:
    """Give what the looks at a training found, which calls ``decoy`` and ``leak`` in turn.

    Args:
        grown: By call, what grew while it was the innermost that two looks had in common.
        pairs: Call, what it did at the first look and at the second, how many, with a rise of ``maps``, with a fall.
        looks: By call; of the decoy most.
        started: Lines that started threads.
        shared: What grew while several threads were at work.
    """
    looks = {DECOY: 90, LEAK: 10} if looks is None else looks
    calls = [
        {"call": number, "caller": caller, "looks": looks.get(number, 0)}
        | {
            "grown": grown.get(number, {}),
            "function": FUNCTIONS[number],
            "is_of_program": number > 0,
        }
        | {"place": f"a.py:{10 * number}", "from": f"a.py:{10 * caller + 1}"}
        for number, caller in enumerate(CALLERS)
    ]
    rows = [
        {"call": call, "first": first, "second": second, "count": count}
        | {"rises": {"maps": rises}, "falls": {"maps": falls}}
        for call, first, second, count, rises, falls in pairs
    ]
    facts = {"calls": calls, "pairs": rows, "started": started or [], "shared": shared or {}}
    return attributed_of(facts)


IN_DECOY = (DECOY, -31, -31, 90, 0, 0)
"""Ninety pairs that stayed in one call of the decoy."""


@pytest.mark.parametrize(
    "attributed",
    [
        found({}),
        found({TRAIN: {"maps": 100}}),
        # Every pair is of two calls of the decoy: the leak was in between, but so was all else.
        found({TRAIN: {"maps": 100}}, IN_DECOY, (TRAIN, DECOY, DECOY, 20, 20, 0)),
        # Two rises are too few to be no chance, of a call that is in every fifth pair.
        found({TRAIN: {"maps": 100}}, (DECOY, -31, -31, 8, 0, 0), (TRAIN, DECOY, LEAK, 2, 2, 0)),
        # Something else rose as well.
        found({TRAIN: {"maps": 100}}, (DECOY, -31, -31, 90, 3, 0), (TRAIN, DECOY, LEAK, 9, 9, 0)),
        # What takes and gives back is no growth.
        found(
            {TRAIN: {"maps": 9}}, IN_DECOY, (TRAIN, -21, LEAK, 9, 9, 0), (TRAIN, LEAK, -22, 9, 0, 9)
        ),
        # It grew in the decoy, and went back where the decoy returned.
        found({TRAIN: {"maps": -900}, DECOY: {"maps": 1000}}),
        # All of the time was in it, or nobody looked: that says nothing.
        found({TRAIN: {"maps": 100}}, looks={TRAIN: 100}),
        found({TRAIN: {"maps": 100}}, looks={}),
        # Most of it grew while other threads were at work.
        found({LEAK: {"maps": 90}}, shared={"maps": 200}),
        # No code of the program's was at work.
        found({ROOT: {"maps": 100}}),
    ],
)
def test_where_the_looks_do_not_tell_nothing_is_named(attributed: Attributed) -> None:
    """Least of all the busiest function."""
    assert find_code(attributed, "maps") is None


def test_what_grew_inside_one_call_is_named() -> None:
    """However little of the time it took."""
    code = find_code(found({LEAK: {"maps": 90}, TRAIN: {"maps": 10}}), "maps")
    assert code is not None
    assert (code.function, code.place, code.amount, code.share) == ("leak", "a.py:40", 90, 0.9)


def test_a_call_that_is_a_small_part_of_the_work_is_named_with_what_it_calls() -> None:
    """Which of these it was, the looks do not tell."""
    attributed = found({TRAIN: {"maps": 100}}, looks={MAIN: 70, TRAIN: 5, LEAK: 15, DECOY: 10})
    code = find_code(attributed, "maps")
    assert code is not None
    assert code.function == "train"


def test_the_call_that_every_pair_with_a_rise_hit_is_named() -> None:
    """Five pairs of a hundred hit the leak; that five rises hit them by chance is one in millions."""
    pairs = (IN_DECOY, (TRAIN, DECOY, LEAK, 4, 3, 0), (TRAIN, LEAK, DECOY, 3, 2, 0))
    code = find_code(found({TRAIN: {"maps": 100}}, *pairs), "maps")
    assert code is not None
    assert (code.function, code.amount, code.share) == ("leak", 100, 1.0)


def test_a_line_is_named_where_the_function_itself_was_at_work() -> None:
    """As beside a call of C, which has no frame."""
    code = find_code(found({TRAIN: {"maps": 50}}, IN_DECOY, (TRAIN, DECOY, -25, 5, 5, 0)), "maps")
    assert code is not None
    assert (code.function, code.place) == ("train", "a.py:25")


def test_what_is_inside_a_library_is_told_by_the_line_that_calls_it() -> None:
    """The program can be changed there."""
    attributed = found({LEAK: {"maps": 90}})
    library = attributed.calls[LEAK]._replace(is_of_program=False)
    code = find_code(attributed._replace(calls={**attributed.calls, LEAK: library}), "maps")
    assert code is not None
    assert (code.function, code.place) == ("train", "a.py:21")


def test_only_what_came_after_the_first_fold_counts() -> None:
    """Libraries load in it."""
    first = found({DECOY: {"maps": 1000}, LEAK: {"maps": 10}})
    last = found({DECOY: {"maps": 1000}, LEAK: {"maps": 90}})
    code = find_code(last.since(first), "maps")
    assert code is not None
    assert (code.function, code.amount) == ("leak", 80)


def test_threads_are_of_the_line_that_started_them() -> None:
    """If it started nearly all that there are more of."""
    started = [
        {"function": "leak", "place": "a.py:41", "running": 16},
        {"function": "decoy", "place": "a.py:31", "running": 2},
    ]
    attributed = found({TRAIN: {"threads": 18}}, started=started)
    part = find_grown_code(attributed, "threads", 6.0)
    assert part is not None
    assert (part.kind, part.function, part.line) == ("code", "leak", "a.py:41")
    assert part.amount == pytest.approx(6.0 * 16 / 18)
    assert find_started(found({TRAIN: {"threads": 40}}, started=started)) is None


def test_what_grew_is_what_there_was_more_of_between_the_two_ends() -> None:
    """A look behind the end of the first fold sees also what that one has left."""
    started = [{"function": "leak", "place": "a.py:41", "running": 15}]
    first = found({}, started=[{**started[0], "running": 5}])._replace(now={"threads": 8})
    last = found({TRAIN: {"threads": 15}}, started=started)._replace(now={"threads": 18})
    part = find_grown_code(last.since(first), "threads", 5.0)
    assert part is not None
    assert (part.function, part.share, part.amount) == ("leak", 1.0, 5.0)


def test_memory_is_told_by_the_count_that_grew_as_much() -> None:
    """RSS also grows where memory is used that was freed before; malloc's own count does not."""
    grown = {DECOY: {"rss_bytes": 90_000}, LEAK: {"malloc_bytes": 80_000, "rss_bytes": 10_000}}
    part = find_grown_code(found(grown), "rss_bytes", 100.0)
    assert part is not None
    assert part.function == "leak"
    mapped = find_grown_code(found({LEAK: {"rss_bytes": 90_000}}), "rss_bytes", 100.0)
    assert mapped is not None
    assert mapped.function == "leak"


@pytest.mark.parametrize(
    "facts",
    [
        {"calls": 5},
        {"calls": [5]},
        {"calls": [{"call": 1, "caller": 1}]},
        {"calls": [{"call": 1, "caller": 0, "grown": {"maps": 1.5}}]},
        {"calls": [{"call": -1, "caller": 0}]},
        {"pairs": [{"call": 1, "first": "x", "second": 1, "count": 1}]},
        {"started": [{"function": "f", "place": 5, "running": 1}]},
    ],
)
def test_what_no_recorder_writes_is_refused(facts: dict[str, Any]) -> None:
    """With a reason; a journal is untrusted."""
    with pytest.raises(ValueError, match=r"\w"):
        attributed_of(facts)
