"""Following a thread's calls: what grows inside one is entered there, at a bounded cost; nothing is harmed."""

from __future__ import annotations

import ctypes
import gc
import json
import math
import mmap
import os
import re
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

from telemetry.recorder import call_watch
from telemetry.recorder.attributed import CodeAtWork
from telemetry.recorder.call_ledger import ROOT
from telemetry.recorder.call_watch import CallWatch
from tests.support.programs import run_foldwatch, run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Trace nothing, as coverage does: what traces a thread marks its frames itself, and a call cannot be left then."""
    own = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(own)


@contextmanager
def followed() -> Iterator[CallWatch]:
    failures: list[tuple[str, str]] = []
    watch = CallWatch(lambda *why: failures.append(why))
    try:
        yield watch
    finally:
        watch.stop()
        sys.setprofile(None)
    assert failures == []


def inclusive(watch: CallWatch, name: str) -> dict[str, int]:
    """Return, by function, what it and all that it called changed a number by."""
    nodes = watch.ledger.nodes
    amounts = [node.grown.get(name, 0) for node in nodes]
    for number in range(len(nodes) - 1, ROOT, -1):
        amounts[nodes[number].parent] += amounts[number]
    found: dict[str, int] = {}
    for node, amount in zip(nodes, amounts, strict=True):
        function = node.name.rpartition(".")[2]
        found[function] = found.get(function, 0) + amount
    return found


KEPT: list[Any] = []


def leak() -> None:
    KEPT.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(3))


def decoy() -> None:
    for _ in range(20):
        os.close(os.open(os.devnull, os.O_RDONLY))


def dense() -> int:
    """Call more than can be followed."""
    return sum(len(str(number)) for number in range(200_000))


@pytest.fixture(autouse=True)
def given_back() -> Iterator[None]:
    """Keep nothing from test to test."""
    yield
    for descriptor in KEPT:
        os.close(descriptor)
    KEPT.clear()


def has_count_of_descriptors() -> bool:
    """Whether the kernel counts them for a stat (Linux 6.2)."""
    return os.stat("/proc/self/fd").st_size > 0


counted = pytest.mark.skipif(not has_count_of_descriptors(), reason="before Linux 6.2")


@counted
def test_what_grows_is_entered_at_its_call() -> None:
    """Exactly, however short it is, and none of it at what gives back what it takes."""
    with followed() as watch:
        for _ in range(5):
            decoy()
            leak()
    grown = inclusive(watch, "open_fds")
    assert (grown["leak"], grown["decoy"]) == (15, 0)


@counted
def test_a_call_that_makes_too_many_is_left_and_what_comes_after_it_is_followed() -> None:
    """So its cost is bounded, and it has the sum of all that grew in it."""

    def holds_a_leak() -> None:
        dense()
        leak()
        dense()

    with followed() as watch:
        for _ in range(3):
            holds_a_leak()
            leak()
    grown = inclusive(watch, "open_fds")
    assert grown["holds_a_leak"] == 9
    assert grown["leak"] + grown["holds_a_leak"] >= 18
    bound = call_watch.CAPACITY_SECONDS * 2 + call_watch.SHARE * 60
    assert watch.budget.taken < bound


@counted
def test_a_call_that_was_left_and_raises_has_ended_as_well() -> None:
    """Where its frame is freed: when the exception has been handled."""

    def fails() -> None:
        leak()
        dense()
        raise ValueError

    with followed() as watch:
        for _ in range(3):
            with suppress(ValueError):
                fails()
            leak()
    grown = inclusive(watch, "open_fds")
    assert sum(grown[name] for name in ("fails", "leak")) >= 18


@counted
def test_generators_and_recursion_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator is left and gone on with; of a recursion the outer calls are."""
    monkeypatch.setattr(call_watch, "CAPACITY_SECONDS", math.inf)  # however slow this machine is

    def steps() -> Iterator[int]:
        for step in range(3):
            leak()
            yield step

    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        else:
            leak()

    with followed() as watch:
        for _ in steps():
            decoy()
        down(600)
    grown = inclusive(watch, "open_fds")
    assert (grown["steps"], grown["decoy"]) == (9, 0)


@counted
def test_what_grows_between_the_turns_of_a_generator_is_not_its_own() -> None:
    """Not even if it has too many to be followed; and what calls it is followed again after its end."""

    def steps() -> Iterator[int]:
        yield from range(50_000)

    def train() -> None:
        for step in steps():
            if not step % 10_000:
                KEPT.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - between the turns
        leak()

    with followed() as watch:
        train()
    grown = inclusive(watch, "open_fds")
    assert grown.get("steps", 0) == 0
    assert (grown["train"], grown["leak"]) == (8, 3)


def test_a_profiler_of_the_program_is_left_alone() -> None:
    """Then nothing is followed, also not from the next label on."""
    seen: list[str] = []

    def profiler(frame: FrameType, *_: object) -> None:
        seen.append(frame.f_code.co_name)

    sys.setprofile(profiler)
    try:
        watch = CallWatch(lambda *_: None)
        watch.go_on()
        decoy()
    finally:
        sys.setprofile(None)
    assert "decoy" in seen
    assert len(watch.ledger.nodes) == 1


def test_what_has_stopped_is_gone() -> None:
    """Though a call was left that goes on, and other watches may follow: no wrapper and no books stay."""
    start = threading.Thread.start
    code = CodeAtWork(lambda *_: None)
    code.allow(0)
    for _ in range(200):  # which is dear to follow: with nothing to pay with, this call is left
        decoy()
    assert threading.Thread.start is not start
    freed = ref(code)
    code.stop()
    code.pause()
    assert sys.getprofile() is None
    assert threading.Thread.start is start
    watches = [one for one in gc.get_objects() if isinstance(one, CallWatch)]
    watch = ref(watches[-1])
    del code, watches
    gc.collect()
    assert freed() is None
    assert watch() is None


def test_a_profiler_that_starts_in_a_call_that_was_left_stays() -> None:
    """Also when that call ends."""
    seen: list[str] = []

    def profiler(frame: FrameType, *_: object) -> None:
        seen.append(frame.f_code.co_name)

    def sets() -> None:
        for number in range(200_000):
            len(str(number))
        sys.setprofile(profiler)

    with followed():
        sets()
        decoy()
        assert sys.getprofile() is profiler
    assert "decoy" in seen


@counted
def test_a_generator_whose_frame_is_freed_late_has_only_what_grew_in_it() -> None:
    """And not what grew after it had yielded."""

    def yields() -> Iterator[int]:
        for number in range(200_000):
            len(str(number))
        yield 1
        yield 2

    def starts() -> None:
        steps = yields()
        next(steps)
        leak()
        del steps
        len("")

    with followed() as watch:
        starts()
    assert inclusive(watch, "open_fds")["yields"] == 0


def test_maps_that_a_change_of_protection_splits_are_entered_where_it_is() -> None:
    """The size of the process stays then; nothing is left to the next call that changes it."""
    library, page = ctypes.CDLL(None), mmap.PAGESIZE
    memory = mmap.mmap(-1, 400 * page, flags=mmap.MAP_PRIVATE)
    view = ctypes.c_char.from_buffer(memory)
    start = ctypes.addressof(view)

    def splits() -> None:
        for number in range(0, 400, 2):
            at = ctypes.c_void_p(start + number * page)
            library.mprotect(at, ctypes.c_size_t(page), mmap.PROT_READ)

    def innocent() -> None:
        mmap.mmap(-1, 2**26).close()

    with followed() as watch:
        time.sleep(0.01)
        splits()
        time.sleep(0.01)
        innocent()
    grown = inclusive(watch, "maps")
    assert grown["innocent"] < 50
    assert grown["splits"] > 300


def test_work_of_a_thread_that_has_ended_is_known_as_pythons() -> None:
    """Though its clock is gone by the time of the next reading."""
    seconds = 0.2

    def works() -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def starts() -> None:
        threads.append(threading.Thread(target=works))
        threads[-1].start()

    def waits() -> None:
        threads[-1].join()

    threads: list[threading.Thread] = []
    with followed() as watch:
        starts()
        waits()
    assert inclusive(watch, "python_us")["waits"] > seconds / 2 * 1e6


def test_a_thread_that_waits_for_others_is_not_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on the others are half as fast meanwhile: a worker's whole training would be."""
    monkeypatch.setattr(call_watch, "SLOWS_OTHERS", True)
    waiting, is_left = threading.get_ident(), []

    def works() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        frame: FrameType | None = sys._current_frames()[waiting]  # noqa: SLF001 - its documented name
        while frame is not None and frame.f_code is not waits.__code__:
            is_left.append(frame.f_trace is not None)
            frame = frame.f_back

    def waits() -> None:
        thread = threading.Thread(target=works)
        thread.start()
        thread.join()

    with followed():
        waits()
    assert any(is_left)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="subinterpreters share the lock")
def test_threads_of_a_subinterpreter_do_no_harm() -> None:
    """Its stacks are not looked at: they change meanwhile, without this interpreter's lock."""
    code = (
        "import tempfile, threading, time, telemetry\n"
        "try: import _interpreters as interpreters\n"
        "except ImportError: import _xxsubinterpreters as interpreters\n"
        "telemetry.start(run_dir=tempfile.mkdtemp(), attribute=True)\n"
        "work = 'import threading as t\\nx = [t.Thread(target=lambda: sum(range(2000)))'\n"
        "work += ' for _ in range(20)]\\nfor y in x: y.start()\\nfor y in x: y.join()'\n"
        "end = time.time() + 4\n"
        "def churn():\n"
        "    one = interpreters.create()\n"
        "    run = getattr(interpreters, 'exec', None) or interpreters.run_string\n"
        "    while time.time() < end: run(one, work)\n"
        "threading.Thread(target=churn).start()\n"
        "def short(): time.sleep(0.0005)\n"
        "while time.time() < end: short()\n"
    )
    assert run_python("-c", code).code == 0


def test_a_thread_that_c_starts_is_started() -> None:
    """Without a line that started it."""
    code = (
        "import _thread, threading\n"
        "from telemetry.recorder.thread_starts import ThreadStarts\n"
        "starts, ran = ThreadStarts(), threading.Event()\n"
        "_thread.start_new_thread(threading.Thread(target=ran.set).start, ())\n"
        "assert ran.wait(30)\n"
        "assert starts.facts() == []\n"
    )
    outcome = run_python("-c", code)
    assert (outcome.code, outcome.err) == (0, "")


def test_a_debugger_goes_on_as_without_it() -> None:
    """Its own mark in a frame stays."""
    traced: list[tuple[str, str]] = []

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        traced.append((frame.f_code.co_name, event))
        return trace

    with followed():
        sys.settrace(trace)
        try:
            dense()
            decoy()
        finally:
            sys.settrace(None)
    assert ("decoy", "return") in traced


def test_what_a_handler_raises_passes() -> None:
    """Wherever in the following of a call it comes."""
    # In a process of its own: here the handler may run in a callback of the garbage collector, as Hypothesis has one,
    # and Python drops what is raised there.
    code = (
        "import os, signal, sys\n"
        "sys.settrace(None)\n"
        "from telemetry.recorder.call_watch import CallWatch\n"
        "class TimeIsUp(Exception): pass\n"
        "def over(*_): raise TimeIsUp\n"
        "def takes_and_gives_back():\n"
        "    for _ in range(20): os.close(os.open(os.devnull, os.O_RDONLY))\n"
        "signal.signal(signal.SIGALRM, over)\n"
        "failures, raised = [], 0\n"
        "for _ in range(100):\n"
        "    watch = CallWatch(lambda *why: failures.append(why))\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
        "        while True: takes_and_gives_back()\n"
        "    except TimeIsUp: raised += 1\n"
        "    watch.stop()\n"
        "    sys.setprofile(None)\n"
        "print(raised, failures)\n"
    )
    outcome = run_python("-c", code)
    assert (outcome.code, outcome.err, outcome.out) == (0, "", "100 []\n")


def test_a_frame_that_another_thread_frees_costs_that_one_nothing() -> None:
    """A call ends there if what holds its frame does; that thread is not followed."""

    def fails() -> None:
        dense()
        raise ValueError

    with followed():
        kept: list[BaseException] = []
        try:
            fails()
        except ValueError as error:
            kept.append(error)
        found: list[object] = []

        def free() -> None:
            kept.clear()
            decoy()
            found.append(sys.getprofile())

        thread = threading.Thread(target=free)
        thread.start()
        thread.join()
    assert found == [None]


def test_a_forked_child_is_not_followed(tmp_path: Path) -> None:
    """Its events are its parent's no more, and nothing profiles it."""
    code = (
        "import os, sys, telemetry\n"
        "telemetry.start(run_dir=sys.argv[1], attribute=True)\n"
        "with telemetry.fold(1, of=2): telemetry.checkpoint('a')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    len('')\n"
        "    with telemetry.fold(2, of=2): telemetry.checkpoint('b')\n"
        "    os._exit(sys.getprofile() is not None)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert (outcome.code, outcome.err) == (0, "")
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [event["name"] for event in events if event["kind"] == "event"] == [
        "attributed",
        "interpreter_ended",
    ]


@pytest.mark.slow
def test_that_a_profiler_barred_it_is_said(tmp_path: Path) -> None:
    """What grows beside it is named by no function, and the report says why."""
    program = tmp_path / "train.py"
    program.write_text(PROGRAM)
    run = str(tmp_path / "run")
    outcome = run_python(
        "-m", "cProfile", "-o", str(tmp_path / "p"), str(program), run, seconds=120
    )
    assert outcome.code == 0, outcome.err
    words = " ".join(run_foldwatch("analyze", run).out.split())
    assert re.search(r"in which function [a-z_, ]*rss grows? is not known: a profiler ran", words)


PROGRAM = """
import sys, threading
sys.settrace(None)
import telemetry
telemetry.start(run_dir=sys.argv[1], attribute=True)
kept = []
def grow():
    kept.append(bytearray(32 << 20))
def start():
    for _ in range(8):
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        kept.append(thread)
def busy():
    return sum(len(bytearray(1 << 20)) for _ in range(50))
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
    """Memory inside a call, threads by their line; in text and in JSON."""
    outcome = run_python("-c", PROGRAM, str(tmp_path), seconds=120)
    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    told = json.loads(run_foldwatch("analyze", str(tmp_path), "--json").out)
    resources = told["processes"][0]["resources"]
    memory, threads = (resources[name]["growth_of"][0] for name in ("rss_bytes", "threads"))
    assert (memory["kind"], memory["function"]) == ("code", "grow")
    assert memory["share"] > 0.7
    assert (threads["function"], threads["line"]) == ("start", "<string>:12")
    words = run_foldwatch("analyze", str(tmp_path)).out
    assert "inside grow() (<string>:7)" in words
