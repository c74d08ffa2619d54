"""What the programs here have in common: the folds, work beside that of a fold, and another malloc."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDS = "5"


def run_folds(work: Callable[[int], object]) -> None:
    """Record ``work``, called with the number of each fold, in the directory that the command line names."""
    telemetry.start(run_dir=sys.argv[1])
    folds, only = int(os.environ.get("FOLDS", FOLDS)), os.environ.get("ONLY_FOLD")
    for fold in range(1, folds + 1) if only is None else (int(only),):
        with telemetry.fold(fold, of=folds):
            telemetry.checkpoint("START")
            work(fold)
            telemetry.checkpoint("AFTER CLEANUP")
            telemetry.settle()


@contextmanager
def in_threads(*calls: Callable[[], object]) -> Iterator[None]:
    """Make each call in a thread of its own, begun before the block and ended after it."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def preload(library: str, settings: Mapping[str, str]) -> None:
    """Start this program anew with a library's malloc in place of its own; return where that is done.

    Args:
        library: The path of the library.
        settings: Of it, by variable; what the environment says already is left as it is.
    """
    others = os.environ.get("LD_PRELOAD", "")
    if library in others and settings.keys() <= os.environ.keys():
        return
    environment = {**settings, **os.environ}
    if library not in others:
        environment["LD_PRELOAD"] = f"{library} {others}".rstrip()
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, environment)  # noqa: S606 - this program itself
