"""Inside which call something grew: the only one whose amount is the growth; false names first."""

from __future__ import annotations

from typing import Any

import pytest

from analyzer.growth.grown_code import find_code, find_started
from analyzer.growth.grown_parts import find_grown_code
from analyzer.processes.attributed import Attributed, attributed_of

ROOT, MAIN, TRAIN, DECOY, LEAK = range(5)
FUNCTIONS = ("", "<module>", "train", "decoy", "leak")
CALLERS = (0, ROOT, MAIN, TRAIN, TRAIN)
OPEN = {ROOT, MAIN, TRAIN}
"""The loop over folds goes on when a fold ends."""
SECOND = 1_000_000


def found(
    grown: dict[int, dict[str, int]],
    *,
    started: list[dict[str, Any]] | None = None,
    now: dict[str, int] | None = None,
) -> Attributed:
    """Give the books of a training, which calls ``decoy`` and ``leak`` in turn; nearly all the time is the decoy's.

    Args:
        grown: By call, what numbers have changed by in it and in none that it called.
        started: Lines that started threads.
        now: The numbers; as a rule as much as all calls together.
    """
    times = {MAIN: SECOND, TRAIN: SECOND, DECOY: 90 * SECOND, LEAK: SECOND}
    calls = [
        {"call": number, "caller": caller, "function": FUNCTIONS[number]}
        | {
            "grown": {"us": times.get(number, 0), "own_us": times.get(number, 0)}
            | grown.get(number, {})
        }
        | {"is_of_program": number > 0, "is_open": number in OPEN}
        | {"place": f"a.py:{10 * number}", "from": f"a.py:{10 * caller + 1}"}
        for number, caller in enumerate(CALLERS)
    ]
    if now is None:
        names = {name for amounts in grown.values() for name in amounts}
        now = {name: sum(one.get(name, 0) for one in grown.values()) for name in names}
    return attributed_of({"calls": calls, "started": started or [], "now": now})


@pytest.mark.parametrize("loaded", [30, 105, 1000])
def test_a_call_whose_amount_is_the_growth_of_two_others_by_chance_is_not_named(
    loaded: int,
) -> None:
    """They leak half each, and another function gives back what it took."""
    amounts = (0, 0, 0, 50, 50, loaded, -loaded)
    calls = [
        {"call": number, "caller": (0, 0, 1, 2, 2, 2, 2)[number], "function": f"f{number}"}
        | {"grown": {"maps": amount, "us": SECOND}, "is_of_program": True, "is_open": number < 3}
        for number, amount in enumerate(amounts)
    ]
    assert find_code(attributed_of({"calls": calls, "now": {"maps": 100}}), "maps") is None


@pytest.mark.parametrize(
    "books",
    [
        found({}),
        # In the loop over folds itself, or in what is around it: that says nothing.
        found({TRAIN: {"maps": 100}}),
        found({ROOT: {"maps": 100}}),
        # Two calls account for it: the one leaks, or the other, whose caller gives back what it handed over.
        found({LEAK: {"maps": 100}, DECOY: {"maps": 90}, TRAIN: {"maps": -90}}),
        # It is of both.
        found({LEAK: {"maps": 50}, DECOY: {"maps": 50}}),
        # It grew between two folds, or while nothing was followed.
        found({LEAK: {"maps": 30}}, now={"maps": 100}),
        # All that was taken was given back.
        found({LEAK: {"maps": 100}, TRAIN: {"maps": -100}}),
        # Another thread of Python's was at work nearly all the time, and may have taken it meanwhile.
        found(
            {DECOY: {"maps": 100, "own_us": 0, "other_us": 80 * SECOND, "python_us": 80 * SECOND}}
        ),
    ],
)
def test_where_the_books_do_not_tell_nothing_is_named(books: Attributed) -> None:
    """Least of all the busiest function."""
    assert find_code(books, "maps") is None


def test_what_grew_inside_one_call_is_named() -> None:
    """However little of the time it took."""
    code = find_code(found({LEAK: {"maps": 90}, TRAIN: {"maps": 10}}), "maps")
    assert code is not None
    assert (code.function, code.place, code.amount, code.share) == ("leak", "a.py:40", 90, 0.9)


def test_what_is_handed_over_and_given_back_is_no_growth() -> None:
    """However much more it is than what is kept."""
    grown = {DECOY: {"maps": 1000}, TRAIN: {"maps": -1000}, LEAK: {"maps": 90}}
    code = find_code(found(grown), "maps")
    assert code is not None
    assert code.function == "leak"


def test_the_busiest_call_is_named_if_it_grew_in_it() -> None:
    """The books are exact: what went on beside it does not count."""
    code = find_code(found({DECOY: {"maps": 90}}), "maps")
    assert code is not None
    assert code.function == "decoy"


def test_a_short_call_is_named_though_its_threads_did_the_work() -> None:
    """What other threads take at any time is hardly taken in so little of it."""
    work = {"own_us": 0, "other_us": SECOND, "python_us": SECOND}
    code = find_code(found({LEAK: {"maps": 90} | work}), "maps")
    assert code is not None
    assert code.function == "leak"


def test_a_line_of_the_loop_over_folds_is_named() -> None:
    """By what it calls there that is not written in Python, or not the program's."""
    books = found({LEAK: {"maps": 90}})
    calls = {LEAK: books.calls[LEAK]._replace(is_of_program=False, function="mmap", place="")}
    code = find_code(books._replace(calls={**books.calls, **calls}), "maps")
    assert code is not None
    assert (code.function, code.place) == ("train", "a.py:21")


def test_a_generator_expression_is_a_part_of_its_function() -> None:
    """So is a comprehension, also one in another; the line says where."""
    books = found({LEAK: {"maps": 90}})
    name = "Model.score.<locals>.<genexpr>.<locals>.<listcomp>"
    calls = {**books.calls, LEAK: books.calls[LEAK]._replace(function=name)}
    code = find_code(books._replace(calls=calls), "maps")
    assert code is not None
    assert (code.function, code.place) == ("Model.score", "a.py:40")


@pytest.mark.parametrize(("caller", "named"), [(LEAK, "decoy"), (TRAIN, "train.<locals>.<lambda>")])
def test_a_lambda_is_told_by_what_it_calls(caller: int, named: str) -> None:
    """It is there to call that; by itself where it calls nothing of the program's."""
    books = found({LEAK: {"maps": 90}})
    calls = {
        MAIN: books.calls[MAIN],
        TRAIN: books.calls[TRAIN],
        LEAK: books.calls[LEAK]._replace(function="train.<locals>.<lambda>"),
        LEAK + 1: books.calls[DECOY]._replace(caller=caller),
    }
    code = find_code(books._replace(calls={ROOT: books.calls[ROOT], **calls}), "maps")
    assert code is not None
    assert code.function == named


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
    part = find_grown_code(found({TRAIN: {"threads": 18}}, started=started), "threads", 6.0)
    assert part is not None
    assert (part.kind, part.function, part.line) == ("code", "leak", "a.py:41")
    assert part.amount == pytest.approx(6.0 * 16 / 18)
    assert find_started(found({TRAIN: {"threads": 40}}, started=started)) is None


def test_what_grew_is_what_there_was_more_of_between_the_two_ends() -> None:
    """The books of the first fold's end hold also what that one has left."""
    started = [{"function": "leak", "place": "a.py:41", "running": 15}]
    first = found({}, started=[{**started[0], "running": 5}], now={"threads": 8})
    last = found({TRAIN: {"threads": 15}}, started=started, now={"threads": 18})
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
        {"calls": [{"call": 1, "caller": 0, "is_open": "yes"}]},
        {"now": {"maps": "many"}},
        {"started": [{"function": "f", "place": 5, "running": 1}]},
    ],
)
def test_what_no_recorder_writes_is_refused(facts: dict[str, Any]) -> None:
    """With a reason; a journal is untrusted."""
    with pytest.raises(ValueError, match=r"\w"):
        attributed_of(facts)
