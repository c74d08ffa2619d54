"""What a training script calls: `start`, `checkpoint`, `fold`.

Owns the one sampler of this process and what the environment says of it. Nothing here raises into
the training, whatever fails.

Environment, set by the fold runner: FOLDWATCH_RUN_DIR, FOLDWATCH_FOLD, FOLDWATCH_FOLDS, and
FOLDWATCH_SUPERVISED=1 where the runner samples this process from outside, so that it needs no timer.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import threading
import time
from contextlib import ContextDecorator
from typing import TYPE_CHECKING

from telemetry.ceilings import Ceiling, read_ceilings
from telemetry.errors import InputError
from telemetry.journal import FILE_NAME, Header, JournalWriter
from telemetry.procfs import ProcessFiles
from telemetry.reader import Reader
from telemetry.sampler import Sampler

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from telemetry.reading import Reading
    from telemetry.sampler import Lines

THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Variables that cap thread pools; the journal's header says how they were set."""

_sampler: Sampler | None = None
_starting = threading.RLock()


def start(
    *,
    run_dir: str | os.PathLike[str] | None = None,
    port: int | None = None,
    address: str = "127.0.0.1",
    interval: float = 1.0,
    lines: Lines = None,
) -> None:
    """Begin to record this process; a second call changes nothing.

    ``run_dir`` (or FOLDWATCH_RUN_DIR) is where the journal goes; without either there is none.
    ``port`` serves Prometheus metrics at http://address:port/metrics. ``interval`` seconds pass
    between samples that have no label; they are taken only where a journal or a port wants them.
    ``lines`` is a text stream or a logger for the ``[THREADS]`` lines, standard output by default.
    Never raises: what fails is logged once and the rest goes on.
    """
    with _starting:
        if _sampler is None:
            _begin(run_dir, port, address, interval, lines)


def _begin(
    run_dir: str | os.PathLike[str] | None,
    port: int | None,
    address: str,
    interval: float,
    lines: Lines,
) -> None:
    global _sampler  # noqa: PLW0603 - a process has one sampler, as it has one standard output
    failures: list[str] = []
    journal: JournalWriter | None = None
    try:
        if path := _journal_path(run_dir):
            journal = JournalWriter(path)
    except (OSError, TypeError, ValueError) as error:
        failures.append(str(error))
    is_supervised = os.environ.get("FOLDWATCH_SUPERVISED") == "1"
    wants_samples = (journal is not None or port is not None) and not is_supervised
    sampler = Sampler(
        reader=Reader(),
        journal=journal,
        lines=lines,
        interval_seconds=interval if wants_samples else None,
    )
    for failure in failures:
        sampler.lose("journal", failure)
    if journal is not None:
        sampler.attempt("header", lambda: journal.write(_header()))
    os.register_at_fork(after_in_child=_after_fork)
    if port is not None:
        sampler.attempt("metrics", lambda: _serve(sampler, port, address))
    _sampler = sampler


def checkpoint(label: str, *, prefix: bool = True, with_map_kinds: bool = False) -> Reading:
    """Read now, write the ``[THREADS]`` line and the journal record, and return the reading.

    Inside `fold` the label gets ``Fold K/N`` in front unless ``prefix`` is false. ``with_map_kinds``
    also says of what kind the memory maps are, at twice the cost. Starts recording with the defaults
    where `start` was not called. Never raises.
    """
    return _started().checkpoint(label, prefix=prefix, with_map_kinds=with_map_kinds)


def fold(number: int, *, of: int) -> AbstractContextManager[None]:
    """Give the checkpoints inside the ``with`` block the label prefix ``Fold number/of``."""
    return _started().fold(number, of=of)


class stage(ContextDecorator):  # noqa: N801 - used as a function: a decorator or a with block
    """Take the checkpoints ``before NAME`` and ``after NAME`` around a block or a function.

    The second one is taken also where the block raises, and the exception goes on.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        checkpoint(f"before {self._name}")

    def __exit__(self, *_: object) -> None:
        checkpoint(f"after {self._name}")


def _started() -> Sampler:
    start()
    assert _sampler is not None  # noqa: S101 - start() has just set it
    return _sampler


def _journal_path(run_dir: str | os.PathLike[str] | None) -> str | None:
    directory = os.fspath(run_dir) if run_dir is not None else os.environ.get("FOLDWATCH_RUN_DIR")
    if not directory:
        return None
    number = os.environ.get("FOLDWATCH_FOLD")
    return os.path.join(directory, f"fold-{number}" if number else "", FILE_NAME)


def _serve(sampler: Sampler, port: int, address: str) -> None:
    # Loaded only here: a training that serves no metrics does not pay for the client library.
    from telemetry import exporter  # noqa: PLC0415
    from telemetry.snapshot import process_snapshot  # noqa: PLC0415

    exporter.serve(lambda: process_snapshot(sampler), port=port, address=address)


def _header() -> Header:
    return Header(
        time=time.time(),
        pid=os.getpid(),
        start_ticks=_start_ticks(),
        host=socket.gethostname(),
        boot_id=_boot_id(),
        argv=tuple(sys.argv),
        versions={"python": platform.python_version(), "kernel": platform.release()},
        environment={name: os.environ[name] for name in THREAD_CAPS if name in os.environ},
        ceilings=tuple(ceiling.as_json() for ceiling in _ceilings()),
    )


def _start_ticks() -> int | None:
    try:
        return ProcessFiles(pid=os.getpid()).times().start_ticks
    except (OSError, ValueError, IndexError):
        return None


def _boot_id() -> str | None:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().decode().strip()
    except OSError:
        return None


def _ceilings() -> tuple[Ceiling, ...]:
    try:
        return read_ceilings()
    except (OSError, InputError):
        return ()


def _after_fork() -> None:
    """A forked child reads its own numbers and writes no journal: that one is its parent's."""
    global _starting  # noqa: PLW0603 - a thread that the child does not have may hold it
    _starting = threading.RLock()
    if _sampler is not None:
        _sampler.become_child(Reader())
