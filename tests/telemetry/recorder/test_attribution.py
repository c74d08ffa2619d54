"""Looks at the training's code: calls are known again, and what grows inside one is told; nothing is harmed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.recorder.call_tree import ROOT, CallTree
from tests.support.programs import run_foldwatch, run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from telemetry.recorder.call_tree import Place


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Trace nothing, as coverage does: what traces a thread marks its frames itself, and then no look tells anything."""
    own = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(own)


def current_name() -> str:
    return sys._getframe(1).f_code.co_name  # noqa: SLF001 - its documented name


class Looker:
    """Takes looks from inside of what is looked at."""

    def __init__(self) -> None:
        self.tree = CallTree()
        self.places: list[Place] = []

    def look(self) -> Place:
        """Look at the caller."""
        number = len(self.places) + 1
        frame = sys._getframe(1)  # noqa: SLF001 - its documented name
        self.places.append(self.tree.look(frame, number, since=number - 1))
        return self.places[-1]

    def name(self, node: int) -> str:
        code = self.tree.nodes[node].code
        return "" if code is None else code.co_name


def test_a_call_that_goes_on_is_known_again() -> None:
    """Not one of the same function that came after it, whose frame may lie in the same place."""
    looker = Looker()

    def inner() -> None:
        looker.look()

    def outer() -> None:
        inner()
        inner()

    outer()
    outer()
    names = [looker.name(place.common) for place in looker.places]
    assert names[1::2] == ["outer", "outer"]
    assert names[2] == current_name()
    assert [looker.name(place.leaf) for place in looker.places] == ["inner"] * 4
    before, after = looker.places[:2]
    below = [looker.tree.below(after.common, place) for place in (before, after)]
    assert [looker.name(part) for part in below] == ["inner", "inner"]
    assert below[0] != below[1]  # called from two lines


def test_a_generator_is_in_common_with_nothing() -> None:
    """It may have been left and gone on with between two looks."""
    looker = Looker()

    def steps() -> Iterator[None]:
        while True:
            looker.look()
            yield

    for _ in zip(range(2), steps(), strict=False):
        pass
    assert looker.name(looker.places[1].common) == current_name()


def test_a_debugger_goes_on_as_without_it() -> None:
    """Its own mark in a frame stays, and ours may be called."""
    looker, traced = Looker(), []

    def work() -> None:
        looker.look()
        looker.look()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        traced.append((frame.f_code.co_name, event))
        return trace

    own = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(own)
    assert ("work", "return") in traced
    looker.look()
    sys.settrace(lambda *_: None)
    sys.settrace(own)


def test_deep_and_many_calls_are_bounded() -> None:
    """A recursion costs no more than its first 300 calls."""
    looker = Looker()

    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        else:
            looker.look()

    down(600)
    assert len(looker.tree.nodes) <= 301
    assert looker.places[0].common == ROOT


PROGRAM = """
import sys, threading, time
sys.settrace(None)
import telemetry
from telemetry.recorder import attribution
attribution.SHARE = 0.2  # as many looks in seconds as else in minutes
telemetry.start(run_dir=sys.argv[1], attribute=True)
kept = []
def grow():
    ends = time.monotonic() + 1.5
    while time.monotonic() < ends:
        kept.append(bytearray(1 << 20))
        time.sleep(0.02)
def start():
    for _ in range(8):
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        kept.append(thread)
def busy():
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        sum(range(1000))
def train():
    for number in range(1, 5):
        with telemetry.fold(number, of=4):
            telemetry.checkpoint("START")
            busy()
            grow()
            start()
            telemetry.checkpoint("AFTER CLEANUP")
train()
"""


@pytest.mark.slow
def test_what_grows_is_named_by_its_function(tmp_path: Path) -> None:
    """Memory inside a long call, threads by their line; in text and in JSON."""
    outcome = run_python("-c", PROGRAM, str(tmp_path), seconds=120)
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    told = json.loads(run_foldwatch("analyze", str(tmp_path), "--json").out)
    resources = told["processes"][0]["resources"]
    memory, threads = (resources[name]["growth_of"][0] for name in ("rss_bytes", "threads"))
    assert (memory["kind"], memory["function"]) == ("code", "grow")
    assert memory["share"] > 0.7
    assert (threads["function"], threads["line"]) == ("start", "<string>:17")
    words = run_foldwatch("analyze", str(tmp_path)).out
    assert "inside grow() (<string>:9)" in words


def test_it_costs_a_forked_child_nothing(tmp_path: Path) -> None:
    """The child has no such thread, and its events are its parent's no more."""
    code = (
        "import os, sys, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], attribute=True)\n"
        "with telemetry.fold(1, of=2): telemetry.checkpoint('a')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    with telemetry.fold(2, of=2): telemetry.checkpoint('b')\n"
        "    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert (outcome.code, outcome.err) == (0, "")
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [event["name"] for event in events if event["kind"] == "event"] == [
        "attributed",
        "attributed",
        "interpreter_ended",
    ]
