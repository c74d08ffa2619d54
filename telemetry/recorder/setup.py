"""`Beginning`: assembles the sampler of this process, with its journal, timer and metrics.

Everything that recording needs is loaded here, so that nothing has to be loaded later, at a limit.
"""

from __future__ import annotations

import atexit
import ctypes
import errno
import os
import platform
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from telemetry import masking
from telemetry.interruption import pass_on
from telemetry.journal.records import RECORDED_CAPS, Header
from telemetry.journal.run_layout import RunLayout, fold_name, fold_number
from telemetry.journal.writer import JournalWriter
from telemetry.kernel.applied_limits import read_applied_limits
from telemetry.kernel.process_identity import own_identity
from telemetry.kernel.reader import reader_beside_training
from telemetry.masking import masked
from telemetry.rank import own_rank
from telemetry.recorder import settling  # noqa: F401 - loaded now, before the training begins
from telemetry.recorder.console_lines import is_quiet, shown, tell_end, tell_where
from telemetry.recorder.last_words import ENDED, LastError
from telemetry.recorder.sampler import Sampler
from telemetry.snapshot import FoldSnapshot, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from telemetry.reading import Reading
    from telemetry.recorder.asked import Asked

RECORDED_PACKAGES = ("tensorflow", "keras", "torch", "jax", "numpy")
"""The journal's header records their versions, if they are loaded."""


class Beginning:
    """What `telemetry.start` does, step by step.

    Invariant: a signal handler of the training may raise within any step; the next `finish` goes on with that one, so
    that there is one journal, one timer, one server.
    """

    def __init__(self, asked: Asked) -> None:
        """Note what is asked for. Raises what ``run_dir`` raises when it is asked for its text."""
        self._asked = asked
        self._failures: list[str] = []
        self._is_served = False
        self._url: str | None = None
        try:
            self._path = journal_path(asked.run_dir)
        except (OSError, TypeError, ValueError) as error:
            pass_on(error)
            self._path = None
            self._failures.append(str(error))
        reader = reader_beside_training()
        self._sampler = Sampler(reader=reader, lines=asked.lines, line_rank=_line_rank())
        self._steps: list[tuple[str, Callable[[], object]]] = [
            ("hold", self._sampler.hold),
            ("journal", self._open_journal),
            ("attribution", self._attribute),
            ("header", self._write_header),
            ("last words", self._hook),
            ("metrics", self._serve),
            ("timer", self._begin_timer),
            ("first line", self._tell_where),
        ]

    def finish(self) -> Sampler:
        """Take the steps that are left and return the sampler; what fails is logged once."""
        while self._steps:
            name, step = self._steps[0]
            self._sampler.attempt(name, step)
            del self._steps[0]
        return self._sampler

    def _open_journal(self) -> None:
        while self._failures:  # taken away before: the logger's handlers are the training's
            self._sampler.record_failure("journal", self._failures.pop())
        if self._path is not None and self._sampler.journal is None:
            self._sampler.journal = JournalWriter(self._path)

    def _attribute(self) -> None:
        # Loaded only here: a training that does not ask for it does not pay for it.
        sampler, is_asked = self._sampler, is_attributed(self._asked.attribute)
        if is_asked and sampler.journal is not None and sampler.code is None:
            from telemetry.recorder.attributed import CodeAtWork  # noqa: PLC0415
            from telemetry.recorder.traceable import let_agent_trace  # noqa: PLC0415

            let_agent_trace()
            sampler.code = CodeAtWork(sampler.record_failure)

    def _write_header(self) -> None:
        if (journal := self._sampler.journal) is not None:
            journal.write(_header())

    def _hook(self) -> None:
        if self._sampler.journal is not None:
            _hook(self._sampler, quiet=is_quiet(self._asked.quiet))

    def _serve(self) -> None:
        if self._asked.port is not None and not self._is_served:
            self._is_served = True  # before: what is served already cannot be served again
            self._url = _serve(self._sampler, self._asked, self._path)

    def _tell_where(self) -> None:
        """Say where it is recorded, as the last step: what was to fail has failed by now."""
        journal = self._sampler.journal
        if not is_quiet(self._asked.quiet) and (journal is not None or self._url is not None):
            tell_where(None if journal is None else shown(journal.path), self._url)

    def _begin_timer(self) -> None:
        """Last: its samples are the first thing that another thread does with the sampler."""
        # What supervises a tree of ranks samples their launcher.
        is_supervised = os.environ.get("FOLDWATCH_SUPERVISED") == "1" and not own_rank().number
        is_wanted = self._sampler.journal is not None or self._asked.port is not None
        if is_wanted and not is_supervised:
            self._sampler.begin_timer(self._asked.interval)


def load(*, serves: bool, attribute: object) -> None:
    """Load what only some of the trainings ask for, and what is needed at the end of one, when there may be no memory."""
    masking.load()
    # pthread_exit loads it, for the threads that end with the interpreter, and aborts the process where there is no room.
    with suppress(OSError):
        ctypes.CDLL("libgcc_s.so.1")
    if serves:
        from telemetry.metrics import server  # noqa: PLC0415 - see _serve

        server.load()
        if own_rank().number:
            from telemetry.recorder import served_ranks  # noqa: PLC0415 - see _serve

            served_ranks.load()
    if is_attributed(attribute):
        from telemetry.recorder import attributed, traceable  # noqa: F401, PLC0415 - see _attribute


def is_attributed(asked: object) -> bool:
    """Whether the code at work is looked at: by the argument or the environment."""
    return os.environ.get("FOLDWATCH_ATTRIBUTE") == "1" or bool(asked)


def _hook(sampler: Sampler, *, quiet: bool) -> None:
    """Record the end of this process, and the exception that ends it; the hook that was there gets it as well."""
    before, last = sys.excepthook, LastError()

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        last.error = error
        sampler.attempt("exception", lambda: sampler.record_raised(error))
        before(kind, error, trace)

    sys.excepthook = excepthook
    atexit.register(_record_end, sampler, last)
    if not quiet and sampler.journal is not None:
        atexit.register(_tell_end, sampler, shown(sampler.journal.path), os.getpid())


def _tell_end(sampler: Sampler, journal: str, owner: int) -> None:
    if os.getpid() == owner:  # not in a child that was forked
        sampler.attempt("last line", lambda: tell_end(journal))


def _record_end(sampler: Sampler, last: LastError) -> None:
    if (error := last.error) is not None:  # there may have been no memory for it before
        sampler.attempt("exception", lambda: sampler.record_raised(error))
    if (code := sampler.code) is not None:
        if not code.is_told:  # by the end of a fold: what ends with the process is no growth
            sampler.record_attributed()
        code.stop()
    sampler.event(ENDED, {})


def _line_rank() -> str:
    """Return the rank that ``[THREADS]`` lines say; empty where they are to say none."""
    is_off = os.environ.get("FOLDWATCH_LINE_RANK", "").strip().lower() == "off"
    return "" if is_off else own_rank().number


def journal_path(run_dir: str | os.PathLike[str] | None) -> str | None:
    """Return where the journal of this process is; None where it is to have none."""
    directory = os.fspath(run_dir) if run_dir is not None else os.environ.get("FOLDWATCH_RUN_DIR")
    if not directory:
        return None
    return RunLayout(directory).journal(os.environ.get("FOLDWATCH_FOLD") or None)


def _serve(sampler: Sampler, asked: Asked, path: str | None) -> str | None:
    """Serve metrics, and return where; None where another rank serves them already. Raises OSError."""
    # Loaded only here: a training that serves no metrics does not pay for the client library.
    from telemetry.metrics import server  # noqa: PLC0415

    own, port = partial(process_snapshot, sampler), asked.port or 0
    has_rank = path is not None and bool(own_rank().number)
    try:
        if path is None or not has_rank:
            bound = server.serve(own, port=port, address=asked.address)
        else:
            from telemetry.recorder import served_ranks  # noqa: PLC0415

            others = served_ranks.OtherRanks(path, own).snapshots
            bound = server.serve(own, port=port, address=asked.address, others=others)
            sampler.event(served_ranks.SERVES, {"port": bound, "host": socket.gethostname()})
    except OSError as error:
        pass_on(error)
        if path is not None and has_rank and _is_served_by_another(error, path, port):
            return None
        reason = os.strerror(error.errno) if error.errno else error
        why = f"port {port} of {asked.address}: {reason}; name another, or 0 for a free one"
        raise OSError(why) from error
    return f"http://{asked.address}:{bound}/metrics"


def _is_served_by_another(error: OSError, path: str, port: int) -> bool:
    from telemetry.recorder import served_ranks  # noqa: PLC0415 - see _serve

    return error.errno == errno.EADDRINUSE and served_ranks.is_served_by_another(path, port)


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
        rank=own_rank().number,
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
    own, rank = own_identity(), own_rank()
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
        rank=rank.number,
        local_rank=rank.local,
        world_size=rank.world_size,
        rank_origin=rank.origin,
    )


def _versions() -> dict[str, str]:
    """Return the versions of the interpreter, the kernel and what the script has imported by now."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in RECORDED_PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
