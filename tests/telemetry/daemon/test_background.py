"""Calls in a thread that the program's end does not wait for."""

from __future__ import annotations

from threading import Event

import pytest

from telemetry.daemon.background import Background
from tests.support.programs import run_python

STUCK = """
import threading
from telemetry.daemon.background import Background
begun = threading.Event()
def stick():
    begun.set()
    threading.Event().wait()
background = Background("stuck")
background.submit(stick)
background.submit(print, "never")
begun.wait()
background.shutdown()
print("the end")
"""


def test_calls_come_one_after_another() -> None:
    """With what they return, or what they raise."""
    background = Background("test")
    results = [background.submit(divmod, number, 3) for number in (7, 8)]
    failing = background.submit(divmod, 1, 0)
    assert [result.result(20) for result in results] == [(2, 1), (2, 2)]
    with pytest.raises(ZeroDivisionError):
        failing.result(20)
    background.shutdown()


def test_what_was_not_begun_is_dropped_at_the_end() -> None:
    """And what was begun is done."""
    background, may_go_on, done = Background("test"), Event(), Event()
    background.submit(may_go_on.wait)
    dropped = background.submit(done.set)
    background.shutdown()
    last = background.submit(int)
    may_go_on.set()
    assert not last.done()
    assert not dropped.done()
    assert not done.is_set()


def test_a_call_that_never_returns_does_not_keep_the_program() -> None:
    """As a file system that does not answer, or a journal that takes minutes."""
    ended = run_python("-c", STUCK, seconds=60)
    assert (ended.code, ended.out, ended.err) == (0, "the end\n", "")
