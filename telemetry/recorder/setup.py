"""`begin`: assembles the sampler of this process, with its journal, timer and metrics.

Everything that recording needs is loaded here, so that nothing has to be loaded later, at a limit.
"""

from __future__ import annotations

import atexit
import os
import platform
import socket
import sys
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.journal.records import RECORDED_CAPS, Header
from telemetry.journal.run_layout import RunLayout, fold_name, fold_number
from telemetry.journal.writer import JournalWriter
from telemetry.kernel.applied_limits import read_applied_limits
from telemetry.kernel.process_identity import own_identity
from telemetry.kernel.reader import Reader
from telemetry.masking import masked
from telemetry.recorder import settling  # noqa: F401 - loaded now, before the training begins
from telemetry.recorder.last_words import ENDED
from telemetry.recorder.sampler import Sampler
from telemetry.snapshot import FoldSnapshot, Snapshot

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry.reading import Reading
    from telemetry.recorder.asked import Asked

RECORDED_PACKAGES = ("tensorflow", "keras", "torch", "jax", "numpy")
"""The journal's header records their versions, if they are loaded."""


def begin(asked: Asked) -> Sampler:
    """Make the sampler of this process as `telemetry.start` was asked to; what fails is logged once."""
    failures: list[str] = []
    journal: JournalWriter | None = None
    try:
        if path := journal_path(asked.run_dir):
            journal = JournalWriter(path)
    except (OSError, TypeError, ValueError) as error:
        pass_on(error)
        failures.append(str(error))
    is_supervised = os.environ.get("FOLDWATCH_SUPERVISED") == "1"
    wants_samples = (journal is not None or asked.port is not None) and not is_supervised
    sampler = Sampler(
        reader=Reader(),
        journal=journal,
        lines=asked.lines,
        interval_seconds=asked.interval if wants_samples else None,
    )
    for failure in failures:
        sampler.record_failure("journal", failure)
    if journal is not None and (asked.attribute or os.environ.get("FOLDWATCH_ATTRIBUTE") == "1"):
        sampler.attempt("attribution", lambda: _attribute(sampler))
    if journal is not None:
        sampler.attempt("header", lambda: journal.write(_header()))
        sampler.attempt("last words", lambda: _hook(sampler))
    if (port := asked.port) is not None:
        sampler.attempt("metrics", lambda: _serve(sampler, port, asked.address))
    return sampler


def _hook(sampler: Sampler) -> None:
    """Record the end of this process, and the exception that ends it; the hook that was there gets it as well."""
    before = sys.excepthook

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sampler.attempt("exception", lambda: sampler.record_raised(error))
        before(kind, error, trace)

    sys.excepthook = excepthook
    atexit.register(_record_end, sampler)


def _record_end(sampler: Sampler) -> None:
    sampler.record_attributed()
    if sampler.code is not None:
        sampler.code.stop()
    sampler.event(ENDED, {})


def _attribute(sampler: Sampler) -> None:
    # Loaded only here: a training that does not ask for it does not pay for it.
    from telemetry.recorder.attributed import CodeAtWork  # noqa: PLC0415

    sampler.code = CodeAtWork(sampler.record_failure)


def journal_path(run_dir: str | os.PathLike[str] | None) -> str | None:
    """Return where the journal of this process is; None where it is to have none."""
    directory = os.fspath(run_dir) if run_dir is not None else os.environ.get("FOLDWATCH_RUN_DIR")
    if not directory:
        return None
    return RunLayout(directory).journal(os.environ.get("FOLDWATCH_FOLD") or None)


def _serve(sampler: Sampler, port: int, address: str) -> None:
    # Loaded only here: a training that serves no metrics does not pay for the client library.
    from telemetry.metrics import server  # noqa: PLC0415

    server.serve(lambda: process_snapshot(sampler), port=port, address=address)


def process_snapshot(sampler: Sampler) -> Snapshot:
    """Take what the sampler of this very process holds; it never waits for a reading."""
    latest = sampler.latest
    own = fold_number(fold_name(os.environ.get("FOLDWATCH_FOLD", "")))
    stages: dict[int | None, dict[str, Reading]] = {}
    for stage, reading in list(sampler.checkpoints.items()):
        fold = reading.fold if own is None else own
        stages.setdefault(fold, {})[stage] = reading
    present = own if latest is None or own is not None else latest.fold
    stages.setdefault(present, {})
    return Snapshot(
        run=os.environ.get("FOLDWATCH_RUN", f"{socket.gethostname()}-{os.getpid()}"),
        host=socket.gethostname(),
        rank=os.environ.get("RANK", ""),
        fold_count=latest.folds if latest else None,
        folds=tuple(
            FoldSnapshot(
                fold=fold,
                latest=latest if fold == present else None,
                checkpoints=checkpoints,
                error_counts=dict(sampler.error_counts) if fold == present else {},
            )
            for fold, checkpoints in stages.items()
        ),
    )


def _header() -> Header:
    own = own_identity()
    return Header(
        time=time.time(),
        pid=own.pid,
        start_ticks=own.start_ticks,
        host=socket.gethostname(),
        boot_id=own.boot_id,
        pid_namespace=own.pid_namespace,
        argv=masked(sys.argv),
        versions=_versions(),
        environment={name: os.environ[name] for name in RECORDED_CAPS if name in os.environ},
        ceilings=tuple(limit.as_json() for limit in read_applied_limits()),
        rank=os.environ.get("RANK", ""),
    )


def _versions() -> dict[str, str]:
    """Return the versions of the interpreter, the kernel and what the script has imported by now."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in RECORDED_PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
