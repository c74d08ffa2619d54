"""The books of a thread's calls: each difference is entered once, at a call inside which it happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.recorder.call_ledger import MOST_NODES, ROOT, CallLedger


def grown(ledger: CallLedger, node: int, name: str) -> int:
    return ledger.nodes[node].grown.get(name, 0)


def test_what_changes_between_two_readings_is_of_the_call_between_them() -> None:
    """Not of its caller, nor of what came after it."""
    ledger = CallLedger()
    ledger.move(ROOT, {"maps": 10})
    leak = ledger.child(ROOT, 7, None, "leak")
    ledger.move(leak, {"maps": 10})
    ledger.move(ROOT, {"maps": 15})
    ledger.move(ledger.child(ROOT, 8, None, "decoy"), {"maps": 14})
    assert (grown(ledger, leak, "maps"), grown(ledger, ROOT, "maps")) == (5, -1)


def test_a_number_that_was_not_read_is_of_the_call_around_all_that_went_on_meanwhile() -> None:
    """Two functions were called, so it is of their caller."""
    ledger = CallLedger()
    train = ledger.child(ROOT, 1, None, "train")
    ledger.move(train, {"maps": 10, "threads": 1})
    for name in ("leak", "decoy"):
        ledger.move(ledger.child(train, 2, None, name), {"threads": 1})
        ledger.move(train, {"threads": 1})
    ledger.move(ledger.child(train, 2, None, "decoy"), {"maps": 15, "threads": 1})
    assert grown(ledger, train, "maps") == 5


def test_a_call_is_known_again_by_its_line() -> None:
    """Called from two lines, a function is two calls."""
    ledger = CallLedger()
    assert ledger.child(ROOT, 1, None, "f") == ledger.child(ROOT, 1, None, "f")
    assert ledger.child(ROOT, 1, None, "f") != ledger.child(ROOT, 2, None, "f")


def test_calls_without_number_are_their_caller() -> None:
    """So the books stay small."""
    ledger = CallLedger()
    for line in range(2 * MOST_NODES):
        ledger.child(ROOT, line, None, "f")
    assert len(ledger.nodes) == MOST_NODES
    assert ledger.child(ROOT, 2 * MOST_NODES, None, "f") == ROOT


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 100)), max_size=40))
def test_all_entries_add_up_to_what_changed(steps: list[tuple[int, bool, int]]) -> None:
    """Wherever the thread goes, and whenever the number is read."""
    ledger = CallLedger()
    ledger.move(ROOT, {"maps": 50})
    last = 50
    for where, is_read, value in steps:
        parent = ledger.current if where % 2 else ROOT
        node = (
            ledger.child(parent, where, None, "f") if where else ledger.nodes[ledger.current].parent
        )
        ledger.move(node, {"maps": value} if is_read else {})
        last = value if is_read else last
    assert sum(grown(ledger, node, "maps") for node in range(len(ledger.nodes))) == last - 50
