"""A fold's process without TensorFlow: it takes folds from the runner as the real one does.

``stand_in_worker.py RUN_DIR FOLDS TROUBLE [ARGUMENT]``: in each of FOLDS (``2,3``) it runs into TROUBLE, a
function of this file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import telemetry
from telemetry.journal.follower import JournalFollower
from telemetry.reading import Reading
from tests.support.waiting import wait_until
from trainer.run.directory import RunDirectory
from trainer.run.fold_result import FoldResult
from trainer.run.worker_protocol import WorkerChannel, result_name

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 30
"""How long to wait for what a test is about."""
_kept: list[int] = []


def none(_directory: RunDirectory, _fold: int, _argument: str) -> None:
    """Nothing happens."""


def error(_directory: RunDirectory, _fold: int, message: str) -> NoReturn:
    """Raise an exception that nobody catches."""
    raise ValueError(message)


def ends(_directory: RunDirectory, _fold: int, code: str) -> NoReturn:
    """End without a result, with an exit code."""
    sys.exit(int(code))


def dies(_directory: RunDirectory, _fold: int, number: str) -> None:
    """End by a signal."""
    if int(number) == signal.SIGABRT:
        os.abort()
    os.kill(os.getpid(), int(number))


def dies_once(directory: RunDirectory, fold: int, mark: str) -> None:
    """Abort unless the file ``mark`` is there, and leave it."""
    if not os.path.exists(mark):
        write(mark, "")
        dies(directory, fold, str(signal.SIGABRT.value))


def counts(_directory: RunDirectory, _fold: int, path: str) -> NoReturn:
    """Append to a file and fail."""
    with open(path, "a", encoding="ascii") as file:
        file.write("x")
    sys.exit(3)


def hangs(_directory: RunDirectory, _fold: int, mark: str) -> None:
    """Never end, SIGTERM or not; leave the file ``mark`` when SIGTERM does nothing any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    write(mark, "")
    time.sleep(600)


def leaves_thread(_directory: RunDirectory, _fold: int, _argument: str) -> None:
    """Start a thread that outlives the fold."""
    threading.Thread(target=time.sleep, args=(60,)).start()


def leaves_child(_directory: RunDirectory, _fold: int, mark: str) -> None:
    """Start a process that ignores SIGTERM; it writes its number to ``mark``."""
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "from tests.scripts.stand_in_worker import write\n"
        "write(sys.argv[1], str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    subprocess.Popen([sys.executable, "-c", code, mark])
    wait_until(lambda: os.path.exists(mark), SECONDS, "the child")


def leaves_daemon(_directory: RunDirectory, _fold: int, mark: str) -> None:
    """Start a process by two forks, in a session of its own; it writes its number to ``mark``."""
    if child := os.fork():
        os.waitpid(child, 0)
        wait_until(lambda: os.path.exists(mark), SECONDS, "the daemon")
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    write(mark, str(os.getpid()))
    time.sleep(60)
    os._exit(0)


def waits_for_samples(directory: RunDirectory, fold: int, count: str) -> None:
    """Go on when the runner has read this process so often, between its labels."""
    journal = JournalFollower(os.path.join(directory.fold(fold), "journal.jsonl"))
    seen: list[Reading] = []

    def are_there() -> bool:
        seen.extend(r for r in journal.poll() if isinstance(r, Reading) and r.label is None)
        return len(seen) >= int(count)

    wait_until(are_there, SECONDS, f"{count} samples")


def waits_for_others(_directory: RunDirectory, fold: int, folder: str) -> None:
    """Go on when every fold has removed its own folder in ``folder``."""
    os.rmdir(os.path.join(folder, str(fold)))
    wait_until(lambda: not os.listdir(folder), SECONDS, "the other folds")


def waits_for_next(directory: RunDirectory, fold: int, _argument: str) -> None:
    """Be in the last stage until the worker of the next fold is loaded."""
    telemetry.checkpoint("after Stage 2 fit")
    if fold == directory.config().folds:
        return
    journal = JournalFollower(os.path.join(directory.fold(fold + 1), "journal.jsonl"))

    def is_loaded() -> bool:
        return any(getattr(r, "stage", None) == "after TF import" for r in journal.poll())

    wait_until(is_loaded, SECONDS, "the next worker")


def leaks_files(_directory: RunDirectory, _fold: int, count: str) -> None:
    """Keep so many more files open."""
    _kept.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(count)))


def write(path: str, text: str) -> None:
    """Write a file that is whole as soon as it is there."""
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


TROUBLES: dict[str, Callable[[RunDirectory, int, str], object]] = {
    function.__name__: function
    for function in (
        *(none, error, ends, dies, dies_once, counts, hangs),
        *(leaves_thread, leaves_child, leaves_daemon, leaks_files),
        *(waits_for_samples, waits_for_others, waits_for_next),
    )
}


def main(run_dir: str, folds: str, trouble: str, argument: str = "") -> None:
    """Run the folds that are asked for."""
    troubled = [int(fold) for fold in folds.split(",")]
    orders, directory = WorkerChannel(), RunDirectory(run_dir)
    config = directory.config()
    telemetry.checkpoint("before TF import")
    telemetry.checkpoint("after TF import")
    for number, token in orders.folds():
        with telemetry.fold(number, of=config.folds):
            telemetry.checkpoint("START")
            if number in troubled:
                TROUBLES[trouble](directory, number, argument)
            telemetry.checkpoint("after Stage 2 fit")
            FoldResult(
                fold=number,
                folds=config.folds,
                config_digest=config.digest(),
                metrics={"accuracy": 0.9 + number / 100},
                seconds=0.1,
            ).write(directory.fold(number), name=result_name(token))
            telemetry.checkpoint("AFTER CLEANUP")


if __name__ == "__main__":
    main(*sys.argv[1:])
