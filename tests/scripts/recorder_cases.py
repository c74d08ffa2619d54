"""Trainings that record themselves: ``python -m tests.scripts.recorder_cases NAME [ARGUMENT ...]``."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.reading import Reading


def importing() -> None:
    """Print what importing telemetry loads beyond the standard library, starts and opens."""
    before, files = set(sys.modules), len(os.listdir("/proc/self/fd"))
    import telemetry  # noqa: F401 - that it is loaded is the point

    new = {name.split(".")[0] for name in set(sys.modules) - before}
    print(sorted(new - set(sys.stdlib_module_names) - {"telemetry"}))
    print(threading.active_count(), len(os.listdir("/proc/self/task")))
    print(len(os.listdir("/proc/self/fd")) - files)


def checkpoints(folder: str) -> None:
    """Set labels in and outside a fold; a second start changes nothing."""
    import telemetry

    telemetry.start(run_dir=folder, interval=60)
    telemetry.start(run_dir="/nonexistent")
    telemetry.checkpoint("before TF import")
    with telemetry.fold(2, of=3):
        telemetry.checkpoint("START")
        telemetry.checkpoint("Fold 2/3 by hand")
        telemetry.checkpoint("after RF fit (n_jobs=2)", prefix=False)
    telemetry.checkpoint("end")


def timer(folder: str) -> None:
    """Set one label, and end when the timer has read five times after it."""
    import telemetry

    telemetry.start(run_dir=folder, interval=0.02)
    telemetry.checkpoint("Fold 1/2 START")
    _wait_for_samples(folder, 5, lambda sample: sample.fold == 1)


def peaks(folder: str) -> None:
    """Run forty threads between two labels, until the timer has seen them."""
    import telemetry
    from tests.support.waiting import wait_until

    telemetry.start(run_dir=folder, interval=0.02)
    telemetry.checkpoint("before")
    stop = threading.Event()
    workers = [threading.Thread(target=stop.wait) for _ in range(40)]
    for worker in workers:
        worker.start()
    _wait_for_samples(folder, 1, lambda sample: (sample.threads or 0) >= 42)
    stop.set()
    for worker in workers:
        worker.join()
    # A thread is joined when it lets go of its lock, and counted until the kernel has ended it.
    wait_until(lambda: len(os.listdir("/proc/self/task")) < 10, 20, "the end of forty threads")
    telemetry.checkpoint("after")
    telemetry.checkpoint("again")


def _wait_for_samples(folder: str, number: int, is_wanted: Callable[[Reading], bool]) -> None:
    from telemetry.journal.follower import JournalFollower
    from telemetry.reading import Reading
    from tests.support.waiting import wait_until

    follower = JournalFollower(os.path.join(folder, "journal.jsonl"))
    seen: list[Reading] = []

    def enough() -> bool:
        readings = (record for record in follower.poll() if isinstance(record, Reading))
        seen.extend(reading for reading in readings if reading.label is None and is_wanted(reading))
        return len(seen) >= number

    wait_until(enough, 50, "the timer's samples")


class _Broken:
    def flush(self) -> None:
        raise RuntimeError("broken")


def _full() -> TextIO:
    return open("/dev/full", "w", encoding="ascii")


WRONG_STARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "a directory in proc": lambda: {"run_dir": "/proc/nowhere"},
    "a directory in a device": lambda: {"run_dir": "/dev/full/x"},
    "a negative port": lambda: {"port": -5},
    "a port too high": lambda: {"port": 70000},
    "an address that is none": lambda: {"address": "256.0.0.1", "port": 9},
    "a full stream": lambda: {"lines": _full()},
    "a broken stream": lambda: {"lines": _Broken()},
    "a directory that is a number": lambda: {"run_dir": 5},
    "a directory with a null": lambda: {"run_dir": "a\0b"},
    "a directory of bytes": lambda: {"run_dir": b"/proc/nowhere"},
    "a port that is text": lambda: {"port": "9464"},
    "an interval of 0": lambda: {"port": 0, "interval": 0},
    "an interval that is text": lambda: {"port": 0, "interval": "x"},
    "an interval that is no number": lambda: {"port": 0, "interval": float("nan")},
}
"""Arguments of telemetry.start of which one is wrong."""


def wrong_start(name: str) -> None:
    """Begin with something wrong, and go on training."""
    import telemetry

    telemetry.start(**WRONG_STARTS[name]())
    for _ in range(3):
        reading = telemetry.checkpoint("a")
    print("alive", reading.threads)
    os._exit(0)


def raising_label_and_handler() -> None:
    """Set a label whose text raises, with a logging handler that raises."""
    import telemetry

    class Handler(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("handler")

    class Label:
        def __str__(self) -> str:
            raise RuntimeError("label")

    logging.getLogger("foldwatch").addHandler(Handler())
    telemetry.start(run_dir="/proc/nowhere")
    telemetry.checkpoint(cast("str", Label()))
    telemetry.checkpoint(cast("str", 7))
    print("alive")


def threads_at_once() -> None:
    """Set the first label in eight threads at the same time; print how many timers run."""
    import telemetry

    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        telemetry.checkpoint("a")

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print([thread.name for thread in threading.enumerate()].count("foldwatch-timer"))


def stages() -> None:
    """Use a stage as a decorator, and as a block that raises."""
    import telemetry

    @telemetry.stage("fit")
    def fit(x: int) -> int:
        return x + 1

    with telemetry.fold(1, of=2):
        assert fit(1) == 2
        try:
            with telemetry.stage("evaluate"):
                _ = dict[str, int]()["x"]
        except KeyError:
            print("raised")


def folds_of_stages() -> None:
    """Let fold 2 begin, and print which fold each stage's last reading is of."""
    import telemetry
    from telemetry.recorder import api
    from telemetry.recorder.setup import process_snapshot

    with telemetry.fold(1, of=2):
        telemetry.checkpoint("START")
        telemetry.checkpoint("after fit")
    with telemetry.fold(2, of=2):
        telemetry.checkpoint("START")
    sampler = api._sampler  # noqa: SLF001 - the one of this process
    assert sampler is not None
    print({fold.fold: sorted(fold.checkpoints) for fold in process_snapshot(sampler).folds})


def keras_epochs() -> None:
    """Take checkpoints by Keras's callback, and ask for what is not there."""
    import warnings

    warnings.simplefilter("ignore")  # Keras's own
    import telemetry

    assert "keras" not in sys.modules
    callback = telemetry.keras.Checkpoints(every=2)
    callback.set_params({"epochs": 5})
    with telemetry.fold(1, of=3):
        for epoch in range(5):
            callback.on_epoch_end(epoch, {})
    try:
        telemetry.keras.Checkpoints(every=0)
    except ValueError as error:
        print(error)
    name = "nonsense"
    try:
        getattr(telemetry, name)
    except AttributeError as error:
        print(error)


def forks(folder: str) -> None:
    """Fork twenty times while the timer runs; each child sets a label of its own."""
    import telemetry

    telemetry.start(run_dir=folder, interval=0.001)
    telemetry.checkpoint("parent")
    for _ in range(20):
        child = os.fork()
        if child == 0:
            reading = telemetry.checkpoint("child")
            os._exit(0 if reading.pid == os.getpid() and reading.threads == 1 else 9)
        assert os.waitpid(child, 0)[1] == 0
    telemetry.checkpoint("parent again")


def serve_metrics(folder: str, port: str) -> None:
    """Serve metrics until standard input ends."""
    import telemetry

    telemetry.start(run_dir=folder, port=int(port))
    with telemetry.fold(1, of=2):
        telemetry.checkpoint("START")
    print("ready", flush=True)
    sys.stdin.read()


def fill_cgroup(folder: str) -> None:
    """Start threads until no more can be had, and set a label then."""
    import telemetry

    telemetry.start(run_dir=folder, interval=0.05)
    stop = threading.Event()
    try:
        while True:
            threading.Thread(target=stop.wait, daemon=True).start()
    except RuntimeError:
        print("full", flush=True)
    print("BINDING", telemetry.checkpoint("at the limit").binding)
    sys.stdout.flush()
    os._exit(0)


def endless(folder: str) -> None:
    """Set labels without end, and print the number of each that returned."""
    import telemetry

    telemetry.start(run_dir=folder, interval=0.001, lines=io.StringIO())
    number = 0
    while True:
        telemetry.checkpoint(f"step {number}")
        print(number, flush=True)
        number += 1


CASES: dict[str, Callable[..., None]] = {
    case.__name__: case
    for case in (
        *(importing, checkpoints, timer, peaks, wrong_start, raising_label_and_handler),
        *(threads_at_once, stages, folds_of_stages, keras_epochs, forks, serve_metrics),
        *(fill_cgroup, endless),
    )
}

if __name__ == "__main__":
    CASES[sys.argv[1]](*sys.argv[2:])
