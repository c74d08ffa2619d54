"""When a fold that has stalled is looked at, what is written, and that it goes on as it was."""

from __future__ import annotations

import os
import signal
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.journal.stall_record import EVENT, stall_of
from telemetry.kernel.process_identity import start_ticks
from telemetry.kernel.process_tree import children_of
from tests.support.builders import NOW, reading, write_journal
from tests.support.native_threads import goes_on, program
from tests.support.processes import state_of
from tests.support.requirements import need
from tests.support.waiting import wait_until
from trainer.process import stalled_tree
from trainer.process.look import NOT_INSTALLED, has_pystack
from trainer.process.stall_watch import STACKS, VARIABLE, StallWatch
from trainer.process.stalled_tree import StalledTree
from trainer.process.thread_facts import facts_of
from trainer.run.warning import FileErrors

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.journal.records import Event

HANGS = """
import threading
def waits_for_good():
    threading.Event().wait()
threading.Thread(target=waits_for_good, daemon=True).start()
"""


class Watched:
    """A watch of the third fold of a run, whose stage took 40 s in the first."""

    def __init__(self, folder: Path, pid: int, **environment: str) -> None:
        for fold in (1, 3):
            (folder / f"fold-{fold}").mkdir()
        labels = [reading(1, NOW + n, stage=stage) for n, stage in ((0, "START"), (40, "END"))]
        write_journal(folder / "fold-1", *labels)
        self.folder, self.pid = folder / "fold-3", pid
        self.events: list[Event] = []
        errors = FileErrors(str(self.folder))
        self.watch = StallWatch(self.events.append, str(self.folder), errors, environment)
        self.watch.note_process(reading(3, pid=pid))

    def stand(self, seconds: int, begin: int = 0) -> None:
        """Let ``seconds`` pass after the label, in which nothing moves."""
        for second in range(seconds):
            stage = None if second else "START"
            known: dict[str, Any] = {"start_ticks": 1, "cpu_seconds": 1.0}
            self.watch.take(reading(3, NOW + begin + second, stage=stage, pid=self.pid, **known))
        self.watch.poll()

    def looked_at(self) -> list[Event]:
        """Wait until all that is looked at is told of."""

        def poll() -> bool:
            self.watch.poll()
            return bool(self.events) and not list(self.watch.files())

        wait_until(poll, 60, "the end of the look")
        return self.events


@pytest.fixture
def _without_pystack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled_tree, "has_pystack", lambda: False)


@pytest.mark.usefixtures("_without_pystack")
def test_it_is_looked_at_once_in_each_stall(tmp_path: Path) -> None:
    """After twice what the stage took in another fold; without pystack by what the kernel says."""
    watched = Watched(tmp_path, os.getpid())
    watched.stand(80)
    assert watched.events == []
    watched.stand(200, 100)
    events = watched.looked_at()
    assert (events[0].name, events[0].pid) == (EVENT, os.getpid())
    found = stall_of(events[0].facts)
    assert (found.why, found.file, found.paused_seconds) == (NOT_INSTALLED, STACKS, None)
    count = len(events)
    watched.watch.poll()
    assert len(events) == count
    watched.stand(450, 400)
    assert len(watched.looked_at()) > count


@pytest.mark.usefixtures("_without_pystack")
def test_what_is_written_is_private_and_says_how_to_get_stacks(tmp_path: Path) -> None:
    """Each thread with its state, its system call and the kernel's function."""
    with program(HANGS) as process:
        wait_until(lambda: "read of pipe:" in facts_of(process.pid).where, 10, "the wait for input")
        watched = Watched(tmp_path, process.pid)
        watched.stand(82)
        watched.looked_at()
    path = watched.folder / STACKS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert NOT_INSTALLED in text
    assert f"thread {process.pid} " in text
    assert "read of pipe:" in text


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """By the environment of the fold: nothing is stopped."""
    watched = Watched(tmp_path, os.getpid(), **{VARIABLE: "off"})
    watched.stand(82)
    assert "switched off" in stall_of(watched.looked_at()[0].facts).why


@pytest.mark.slow
def test_stacks_name_the_program_s_own_function(tmp_path: Path) -> None:
    """Of the process, and of what it has started; both go on, and for how long they were stopped is said."""
    need(has_pystack(), "pystack (extra explain)")
    script = tmp_path / "train.py"
    script.write_text(
        "import multiprocessing, sys, time\n"
        "def works():\n    time.sleep(600)\n"
        "def load_batch():\n    sys.stdin.readline()\n"
        "multiprocessing.Process(target=works, daemon=True).start()\n"
        "print('ready', flush=True)\nload_batch()\nprint('went on', flush=True)\n"
    )
    with program(
        f"exec(compile(open({str(script)!r}).read(), {str(script)!r}, 'exec'))"
    ) as process:
        (works,) = children_of(process.pid)
        wait_until(lambda: "nanosleep" in facts_of(works).where, 10, "the sleep of its child")
        watched = Watched(tmp_path, process.pid)
        watched.stand(82)
        first, *_, own, child = [stall_of(event.facts) for event in watched.looked_at()]
        assert first.where == own.where, "it is told before its child is looked at"
        found = own, child
        assert found[0].where.startswith("load_batch (train.py:5), in read of pipe:")
        assert found[1].where.startswith("works (train.py:3), in clock_nanosleep")
        assert "stands in works (train.py:3)" in found[0].others
        assert 0 < (found[0].paused_seconds or 0) < 5
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"went on\n"


@pytest.mark.slow
def test_what_somebody_has_stopped_stays_stopped() -> None:
    """Its Python stack is read from aside."""
    need(has_pystack(), "pystack (extra explain)")
    with program("import os, signal") as process:
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(process.pid) == "T", 10, "the stop")
        tree = StalledTree(process.pid, stops=True)
        wait_until(tree.has_ended, 60, "the end of the look")
        ((_, found),) = tree.stalls("")
        assert found.where.startswith("<module>")
        assert found.where.endswith("(state T, stopped)")
        assert found.paused_seconds is None
        assert state_of(process.pid) == "T"


DIES = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGSTOP); os.abort()"


@pytest.mark.slow
def test_a_process_goes_on_whatever_becomes_of_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends while it attaches leaves it stopped."""
    monkeypatch.setattr(stalled_tree, "COMMAND", (sys.executable, "-c", DIES))
    monkeypatch.setattr(stalled_tree, "has_pystack", lambda: True)
    with program("") as process:
        tree = StalledTree(process.pid, stops=True)
        wait_until(tree.has_ended, 60, "the end of the look")
        ((_, found),) = tree.stalls("")
        assert found.why == "what looked at it ended early: signal 6"
        assert goes_on(process)


def test_a_rank_is_known_by_its_environment() -> None:
    """And one that is gone has no thread."""
    facts = facts_of(os.getpid())
    assert facts.threads[0].tid == os.getpid()
    assert facts_of(2**22 + 1).threads == ()
    assert start_ticks(os.getpid()) is not None
