"""What trainings do to the recorder, each in a process of its own; prints what came of it."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 200
SECONDS = 20.0
"""A child that has not ended by then hangs."""


class DeadlineError(TimeoutError):
    """What a training raises in its own signal handler."""


def fork_during_start(milliseconds: str) -> None:
    """Fork while another thread begins to record; print whether the child's checkpoint returned."""
    begun = threading.Event()

    def start() -> None:
        begun.set()
        telemetry.checkpoint("parent")

    thread = threading.Thread(target=start)
    thread.start()
    begun.wait()
    time.sleep(float(milliseconds) / 1000)
    child = os.fork()
    if child == 0:
        telemetry.checkpoint("child")
        os._exit(0)
    descriptor = os.pidfd_open(child)
    has_ended = bool(select.select([descriptor], [], [], SECONDS)[0])
    if not has_ended:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    thread.join()
    print("returned" if has_ended and status == 0 else "hung", file=sys.stderr)


def close_descriptors(own: str) -> None:
    """Close every descriptor, as code that becomes a daemon does, and open files of the training's own."""
    telemetry.checkpoint("before")
    os.closerange(3, 200)
    content = b"model " * 1000
    files = [os.open(f"{own}{n}", os.O_RDWR | os.O_CREAT) for n in range(60)]
    for file in files:
        os.write(file, content)
    for number in range(20):
        telemetry.checkpoint(f"after {number}")
    for n, file in enumerate(files):
        os.write(file, b"end")  # closed under the training's hands, it raises
        with open(f"{own}{n}", "rb") as written:
            assert written.read() == content + b"end", n
    reading = telemetry.checkpoint("whole")
    assert not reading.errors, reading.errors
    assert reading.maps


def folds_in_threads() -> None:
    """Run four folds in threads at once; each label names the fold that is meant."""
    barrier = threading.Barrier(4)

    def train(number: int) -> None:
        with telemetry.fold(number, of=4):
            for _ in range(5):
                barrier.wait()
                telemetry.checkpoint(f"in {number}")
        telemetry.checkpoint("alone")

    threads = [threading.Thread(target=train, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def folds_in_tasks() -> None:
    """Run three folds as tasks that take turns, and a thread inside the one fold that is open."""

    async def train(number: int) -> None:
        with telemetry.fold(number, of=3):
            for _ in range(3):
                await asyncio.sleep(0)
                telemetry.checkpoint(f"in {number}")

    async def all_folds() -> None:
        await asyncio.gather(*map(train, (1, 2, 3)))

    asyncio.run(all_folds())
    with telemetry.fold(2, of=3):
        inside = threading.Thread(target=telemetry.checkpoint, args=("in 2",))
        inside.start()
        inside.join()


def handler_raises() -> None:
    """Raise from a signal handler while checkpoints are taken; print how many came out of how many."""
    raised = caught = 0

    def expire(_number: int, _frame: object) -> None:
        nonlocal raised
        raised += 1
        raise DeadlineError

    telemetry.checkpoint("before")
    signal.signal(signal.SIGALRM, expire)
    for attempt in range(ATTEMPTS):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.00005 * (1 + attempt % 20))
            for _ in range(200):
                telemetry.checkpoint("at work")
        except DeadlineError:
            caught += 1
    print(caught, "of", raised, file=sys.stderr)


def starts_that_fail() -> None:
    """Begin with no descriptor left, with a path that raises, and from a handler during the start."""
    import resource

    class Path(os.PathLike[str]):
        def __fspath__(self) -> str:
            raise RuntimeError

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    assert telemetry.checkpoint("none").maps is None
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    signal.signal(signal.SIGALRM, lambda *_: telemetry.checkpoint("handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    telemetry.start(run_dir=Path())
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert telemetry.checkpoint("alive").maps


def odd_values() -> None:
    """Record what no JSON holds, or no reader takes."""
    telemetry.event(
        "epoch", loss=float("nan"), steps=10**30, model=object, curve=[1.0, float("inf")]
    )
    telemetry.event("x" * 10**6)
    telemetry.checkpoint("y" * 10**7)
    with telemetry.fold(10**5000, of=3):
        telemetry.checkpoint("huge fold")


CASES: dict[str, Callable[..., None]] = {
    case.__name__: case
    for case in (
        fork_during_start,
        close_descriptors,
        folds_in_threads,
        folds_in_tasks,
        handler_raises,
        starts_that_fail,
        odd_values,
    )
}

if __name__ == "__main__":
    faulthandler.dump_traceback_later(90, exit=True)  # a case that hangs says where
    CASES[sys.argv[1]](*sys.argv[2:])
