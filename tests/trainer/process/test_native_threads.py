"""When what started a fold's threads is looked at, and that the fold goes on whatever becomes of it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.journal.records import Event
from telemetry.kernel.process_identity import start_ticks
from telemetry.reading import Reading
from tests.support.native_threads import compiled, goes_on, program
from tests.support.processes import state_of
from tests.support.programs import run_foldwatch
from tests.support.waiting import wait_until
from trainer.process import native_threads
from trainer.process.look import NOT_INSTALLED
from trainer.process.native_threads import VARIABLE, ThreadWatch

if TYPE_CHECKING:
    from pathlib import Path


class Watched:
    """A process's records, told by hand, and the events that come of them."""

    def __init__(self, pid: int, **environment: str) -> None:
        self.pid = pid
        self.events: list[Event] = []
        self.threads = ThreadWatch(self.events.append, environment)

    def end_fold(self, fold: int, threads: int | None, *, python: int = 0, **how: Any) -> None:
        """Tell of the last label of a fold, and of its end."""
        known: dict[str, Any] = {"stage": "END", "start_ticks": start_ticks(self.pid)}
        reading = Reading(
            time=1.0,
            pid=self.pid,
            label=f"Fold {fold}/5 END",
            fold=fold,
            folds=5,
            threads=threads,
            **(known | how),
        )
        started = [{"function": "f", "place": "a.py:1", "running": python}]
        self.threads.take(reading)
        self.tell_end({"started": started})

    def tell_end(self, facts: dict[str, Any]) -> None:
        self.threads.take(Event(time=1.0, pid=self.pid, name="attributed", facts=facts))

    def found(self) -> dict[str, Any]:
        """Wait for the event of a look; return its facts."""

        def poll() -> list[Event]:
            self.threads.poll()
            return self.events

        wait_until(poll, 30, "the end of the look")
        (event,) = self.events
        assert (event.name, event.pid) == ("native_threads", self.pid)
        return dict(event.facts)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a look something is said, which has the arguments of the look."""
    code = "import json, sys; print(json.dumps({'threads': [], 'seconds': 0.0}))"
    monkeypatch.setattr(native_threads, "COMMAND", (sys.executable, "-c", code))


@pytest.mark.usefixtures("said")
def test_a_fold_that_left_native_threads_is_looked_at_once() -> None:
    """Not the first one, nor one that left none."""
    with program("") as process:
        watched = Watched(process.pid)
        for fold, threads in ((1, 10), (2, 10), (3, 12)):
            assert not list(watched.threads.files())
            watched.end_fold(fold, threads)
        facts = watched.found()
        assert facts == {"threads": [], "seconds": 0.0, "fold": 3, "folds": 5}
        watched.end_fold(4, 20)
        assert not list(watched.threads.files())


@pytest.mark.parametrize(
    "later",
    [
        {"threads": 14, "python": 4},
        {"threads": 14, "stage": "another"},
        {"threads": None},
        {"threads": 14, "fold": 1},
    ],
    ids=["Python's", "another stage", "not read", "the same fold"],
)
def test_where_no_native_threads_are_seen_to_grow_nothing_is_stopped(later: dict[str, Any]) -> None:
    """Threads that Python started are told by their line already."""
    watched = Watched(os.getpid())
    watched.end_fold(1, 10)
    watched.end_fold(**{"fold": 2} | later)
    watched.tell_end({"started": "nonsense"})  # at the end of the interpreter
    watched.threads.poll(is_last=True)
    assert watched.events == []


def test_it_can_be_switched_off() -> None:
    """By the environment of the fold."""
    watched = Watched(os.getpid(), **{VARIABLE: "off"})
    watched.end_fold(1, 1)
    watched.end_fold(2, 5)
    assert watched.events == []


def test_without_pystack_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    watched = Watched(os.getpid())
    watched.end_fold(1, 1)
    watched.end_fold(2, 5)
    assert watched.found() == {"why": NOT_INSTALLED, "fold": 2, "folds": 5}


def test_a_process_that_is_not_the_fold_s_is_left_alone() -> None:
    """A journal may name any."""
    with program("") as process:
        for pid, ticks in ((os.getppid(), None), (process.pid, 1)):
            watched = Watched(pid)
            known = {} if ticks is None else {"start_ticks": ticks}
            watched.end_fold(1, 1, **known)
            watched.end_fold(2, 5, **known)
            assert watched.found()["why"] == "the process had ended, or has another number here"


DIES = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGSTOP); {}"


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGALRM)", "it took more than 5 s, and was given up"),
        ("os.abort()", "what looked at it ended early: signal 6"),
        ("print('{', flush=True); sys.exit(3)", "what looked at it ended early: exit code 3"),
        ('print(\'{"why": "refused"}\')', "refused"),
    ],
    ids=["deadline", "crash", "half", "refusal"],
)
def test_the_process_goes_on_whatever_becomes_of_what_looks_at_it(
    monkeypatch: pytest.MonkeyPatch, ending: str, words: str
) -> None:
    """What ends while it attaches leaves it stopped, as pystack does in one case of four."""
    monkeypatch.setattr(
        native_threads, "COMMAND", (sys.executable, "-c", DIES.replace("{}", ending))
    )
    with program("") as process:
        watched = Watched(process.pid)
        watched.end_fold(1, 1)
        watched.end_fold(2, 5)
        assert watched.found()["why"] == words
        assert goes_on(process)


def test_with_the_fold_the_look_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for."""
    wait = (sys.executable, "-c", "import sys, time; sys.stdin.close(); time.sleep(60)")
    monkeypatch.setattr(native_threads, "COMMAND", wait)
    with program("") as process:
        watched = Watched(process.pid)
        watched.end_fold(1, 1)
        watched.end_fold(2, 5)
        watched.threads.poll()
        assert watched.events == []
        watched.threads.poll(is_last=True)
        assert watched.found()["why"] == "the process ended meanwhile"


def test_a_process_that_somebody_has_stopped_stays_stopped() -> None:
    """Whoever did it will continue it."""
    with program("import os, signal") as process:
        os.kill(process.pid, 19)
        wait_until(lambda: state_of(process.pid) == "T", 10, "its stop")
        watched = Watched(process.pid)
        watched.end_fold(1, 1)
        watched.end_fold(2, 5)
        assert watched.found()["why"] == "the process was stopped, or is being traced"
        assert state_of(process.pid) == "T"


CROSS_VALIDATION = """
import ctypes, os, sys, time, telemetry
telemetry.start()
leak = ctypes.CDLL(sys.argv[1]).start_threads
journal = os.path.join(os.environ["FOLDWATCH_RUN_DIR"], "fold-1", "journal.jsonl")
def next_tick():
    # A thread's start is told in hundredths of a second.
    began = time.clock_gettime(time.CLOCK_BOOTTIME)
    while time.clock_gettime(time.CLOCK_BOOTTIME) < began + 0.03:
        pass
for number in range(1, 5):
    next_tick()
    with telemetry.fold(number, of=4):
        telemetry.checkpoint("START")
        leak(4)
        telemetry.checkpoint("AFTER CLEANUP")
    ends = time.monotonic() + 60
    while number == 2 and time.monotonic() < ends:
        with open(journal) as file:
            if '"native_threads"' in file.read():
                break
        time.sleep(0.05)
"""


@pytest.mark.slow
def test_the_library_of_the_threads_that_folds_leave_is_in_the_verdict(tmp_path: Path) -> None:
    """From `foldwatch run` to the headline, JSON and the note of the stop."""
    output = str(tmp_path / "run")
    command = (sys.executable, "-c", CROSS_VALIDATION, compiled(tmp_path))
    asked = {"FOLDWATCH_ATTRIBUTE": "1"}
    done = run_foldwatch("run", "--output", output, "--", *command, environment=asked)
    assert done.code == 0, done.err
    told = json.loads(run_foldwatch("analyze", output, "--json").out)
    (process,) = [one for one in told["processes"] if one["pid"]]
    (part,) = [p for p in process["resources"]["threads"]["growth_of"] if p["kind"] == "thread"]
    assert (part["function"], part["library"], part["line"]) == ("serve_leak", "libleak.so", None)
    assert (part["amount"], part["share"]) == (4, 1)
    words = run_foldwatch("analyze", output).out
    assert "threads +4 (serve_leak in libleak.so)" in " ".join(words.split())
    assert "the process was stopped for 0." in " ".join(words.split())
