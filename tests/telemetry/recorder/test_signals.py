"""The training's signals stay the training's: what it blocks, and what its handlers raise."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from telemetry.interruption import pass_on
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event, Header
from telemetry.kernel import tasks
from telemetry.kernel.cgroup_controller import CONTROLLER_FILES, Level
from telemetry.kernel.child_processes import ChildProcesses
from telemetry.kernel.memory_stat import MemoryStat
from telemetry.kernel.process_identity import own_identity
from telemetry.kernel.procfs import ProcessFiles
from telemetry.kernel.reader import Reader
from telemetry.kernel.syscalls import Buffer
from telemetry.reading import Reading
from telemetry.recorder.allocator import find_allocator
from telemetry.recorder.sampler import Sampler
from tests.support.programs import run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(("options", "is_supervised"), [("", "0"), ("port=0", "1")])
def test_a_signal_that_the_training_blocks_stays_pending(
    options: str, is_supervised: str, tmp_path: Path
) -> None:
    """No thread of the recorder takes it, which would end the training; and the training's own mask is as it was."""
    code = (
        "import os, signal, sys, threading, telemetry\n"
        "own = {signal.SIGUSR2}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, own)\n"
        f"telemetry.start(run_dir=sys.argv[1], {options})\n"
        "assert threading.active_count() == 2, threading.enumerate()\n"
        "assert signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]) == own\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
        "print(signal.sigwait([signal.SIGUSR1]).name)\n"
    )
    outcome = run_python(
        "-c", code, str(tmp_path), environment={"FOLDWATCH_SUPERVISED": is_supervised}
    )
    assert (outcome.code, outcome.out) == (0, "SIGUSR1\n"), outcome


@pytest.mark.parametrize("error", ["TimeoutError", "ImportError", "OSError"])
def test_what_a_signal_handler_raises_during_the_start_goes_its_way(error: str) -> None:
    """Also of the kinds that a start without a descriptor fails with; the next call starts then."""
    code = (
        "import signal, telemetry\n"
        f"def over(*_): raise {error}('the deadline')\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "class Folder:\n"
        "    def __fspath__(self): signal.raise_signal(signal.SIGUSR1)\n"
        "try: telemetry.start(run_dir=Folder())\n"
        f"except {error} as error: print(error)\n"
        "telemetry.checkpoint('x')\n"
    )
    outcome = run_python("-c", code)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    assert outcome.out.startswith("the deadline\n[THREADS] x: "), outcome


def test_what_a_signal_handler_raises_while_modules_are_loaded_goes_its_way() -> None:
    """Python takes an OSError there for a file that is not there."""
    code = (
        "import signal, telemetry\n"
        "from importlib import _bootstrap_external as loading\n"
        "stat = loading._path_stat\n"
        "def over(*_): raise TimeoutError('the deadline')\n"
        "def interrupted(path):\n"
        "    loading._path_stat = stat\n"
        "    signal.raise_signal(signal.SIGUSR1)\n"
        "    return stat(path)\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "loading._path_stat = interrupted\n"
        "try: telemetry.start()\n"
        "except TimeoutError as error: print(error)\n"
        "assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()\n"
        "telemetry.checkpoint('x')\n"
    )
    outcome = run_python("-W", "error", "-c", code)
    assert (outcome.code, outcome.err) == (0, ""), outcome
    assert outcome.out.startswith("the deadline\n[THREADS] x: "), outcome


def test_a_start_that_is_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    """With what it was asked for, and with one timer, one server, one header."""
    code = (
        "import signal, sys, threading, telemetry\n"
        "threads, start = [], threading.Thread.start\n"
        "def over(*_): raise TimeoutError\n"
        "def interrupted(thread):\n"
        "    start(thread)\n"
        "    threads.append(thread)\n"
        "    if len(threads) < 4: signal.raise_signal(signal.SIGUSR1)\n"
        "signal.signal(signal.SIGUSR1, over)\n"
        "threading.Thread.start = interrupted\n"
        "for number in range(3):\n"
        "    try: telemetry.start(run_dir=sys.argv[1], interval=1000, port=0)\n"
        "    except TimeoutError: print(threads[-1].name)\n"
        "telemetry.checkpoint('x')\n"
        "for thread in threads[1:-1]: thread.join(10)\n"
        "print([thread.name for thread in threading.enumerate()[1:]])\n"
    )
    outcome = run_python("-c", code, str(tmp_path))
    assert (outcome.code, outcome.err) == (0, ""), outcome
    names = outcome.out.splitlines()
    assert names[:3] == ["foldwatch-http", "foldwatch-timer", "foldwatch-timer"]
    assert names[-1] == "['foldwatch-http', 'foldwatch-timer']"
    records = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    assert [type(record) for record in records] == [Header, Reading, Event]


def read_tasks_of_children() -> object:
    return tasks.read_descendants(1, [os.getpid()], buffer=Buffer(4096))


def read_own_parent_s() -> object:
    """Read this process as a child of its parent's."""
    children = ChildProcesses(root="/", pid=os.getppid(), buffer=Buffer(65536))
    return children.read([OWN], 65530)


def count_failure() -> object:
    Sampler(reader=Reader()).record_failure("journal", "why")
    return None


OWN = os.getpid()
LEVEL = Level(CONTROLLER_FILES["memory", 2], root="/", folder="/")
READS: dict[str, tuple[str, type[Exception], Callable[[], object]]] = {
    "memory.stat": (
        "telemetry.kernel.memory_stat.KernelFile.read",
        FileNotFoundError,
        lambda: MemoryStat(pid=OWN).reclaimable_bytes("/"),
    ),
    "a level": (
        "telemetry.kernel.cgroup_controller.KernelFile.read",
        FileNotFoundError,
        LEVEL.usage,
    ),
    "threads": (
        "telemetry.kernel.tasks.read_file",
        ProcessLookupError,
        lambda: tasks.read_tasks(OWN),
    ),
    "children": ("telemetry.kernel.tasks.read_file", FileNotFoundError, read_tasks_of_children),
    "a child": ("telemetry.kernel.child_processes.read_file", FileNotFoundError, read_own_parent_s),
    "maps of a child": (
        "telemetry.kernel.child_maps.KernelFile.count_lines",
        ProcessLookupError,
        read_own_parent_s,
    ),
    "PSS of a child": ("telemetry.kernel.child_memory.os.open", PermissionError, read_own_parent_s),
    "tasks of the user": (
        "telemetry.kernel.tasks.read_file",
        ProcessLookupError,
        lambda: tasks.tasks_of_user(0),
    ),
    "maps": (
        "telemetry.kernel.procfs.KernelFile.count_lines",
        ProcessLookupError,
        lambda: ProcessFiles(pid=OWN).maps(),
    ),
    "files": (
        "telemetry.kernel.procfs.KernelFile.hold",
        OSError,
        lambda: ProcessFiles(pid=OWN).hold(),
    ),
    "identity": ("telemetry.kernel.process_identity._stat", ValueError, own_identity),
    "allocator": ("telemetry.recorder.allocator._object_of", AttributeError, find_allocator),
    "a symbol": ("ctypes.CDLL.__getitem__", AttributeError, find_allocator),
    "buffer": (
        "telemetry.kernel.reader.ProcessFiles.status",
        MemoryError,
        lambda: Reader().read(),
    ),
    "log": ("telemetry.recorder.sampler.logger.warning", TimeoutError, count_failure),
}


@pytest.mark.parametrize("name", READS)
def test_what_a_signal_handler_raises_while_telemetry_reads_goes_its_way(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is just what telemetry expects of the file that it reads."""
    place, kind, read = READS[name]
    deadline, raised_by = kind("the deadline"), list[int]()

    def over(number: int, _frame: object) -> None:
        raised_by.append(number)
        if len(raised_by) == 1:
            raise deadline

    monkeypatch.setattr(place, lambda *_, **__: signal.raise_signal(signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, over)
    try:
        with pytest.raises(kind) as raised:
            read()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert raised.value is deadline


def test_a_stop_iteration_of_a_signal_handler_is_the_training_s() -> None:
    """Out of a generator it comes as a RuntimeError."""

    def over(*_: object) -> None:
        raise StopIteration

    def interrupted() -> Iterator[None]:
        signal.raise_signal(signal.SIGUSR1)
        yield

    before = signal.signal(signal.SIGUSR1, over)
    try:
        with pytest.raises(RuntimeError) as raised:
            next(interrupted())
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(StopIteration):
        pass_on(raised.value)
