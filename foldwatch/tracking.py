"""`track` and `log_verdict`: send what is recorded to the MLflow or W&B run that is open."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Self

from foldwatch.trackers import MlflowRun, open_runs
from telemetry.errors import InputError
from telemetry.masking import mask_forms
from telemetry.recorder.api import present_sampler, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from foldwatch.trackers import TrackerRun
    from telemetry.reading import Reading

WAITING = 1000
"""Readings that a slow tracker lets wait; those after them are left out."""
END_SECONDS = 15.0
"""That the end of a training waits for a tracker."""
WORDS = 300
"""Characters of what a tracker raised."""
logger = logging.getLogger("foldwatch")


def facts_of(path: str, *, pid: int | None = None) -> dict[str, str]:
    """Judge a run, or one process of it: the verdict, how it ended, what grows, and the cause. Raises InputError."""
    from analyzer.diagnosis.outcome import Outcome  # noqa: PLC0415 - at the end of the training only
    from analyzer.groups import group_findings  # noqa: PLC0415
    from analyzer.pipeline import analyze  # noqa: PLC0415
    from analyzer.reports.headline import headline  # noqa: PLC0415

    analysis = analyze([path])
    own = tuple(one for one in analysis.findings if one.process.pid == pid)
    analysis = replace(analysis, findings=own or analysis.findings)
    has_ended = analysis.outcome != Outcome.RUNNING
    axes = (axis for one in analysis.findings for axis in (one.growth, one.epochs, one.over_time))
    grown = {name for axis in axes for name, growth in axis.items() if growth.verdict.is_alarming}
    failure = (
        analysis.first_failure if analysis.outcome in {Outcome.CRASHED, Outcome.STOPPED} else None
    )
    causes = () if failure is None else failure.causes[:1]
    found = {
        "verdict": analysis.verdict.value,
        "outcome": analysis.outcome.value if has_ended else "",
        "headline": headline(analysis, group_findings(analysis)),
        "growing": ", ".join(sorted(grown)),
        "cause": "".join(cause.cause for cause in causes),
        "confidence": "".join(cause.confidence.value for cause in causes),
    }
    return {name: text for name, text in found.items() if text}


class Tracking:
    """Sends what is recorded from now on, in a thread of its own: no label waits for a tracker.

    It ends with its ``with`` block or with the process, and logs the verdict then. Its methods raise nothing.
    """

    def __init__(self) -> None:
        self._runs: dict[str, TrackerRun] = {}
        self._waiting: queue.SimpleQueue[tuple[str, Callable[[], object]] | None]
        self._waiting, self._failed, self._owner = queue.SimpleQueue(), set[str](), os.getpid()
        self._thread = threading.Thread(target=self._send, name="foldwatch-track", daemon=True)
        self._sampler, self._is_closed = present_sampler(), False
        if self._sampler is not None:
            self._sampler.listeners.append(self._take)
            self._sampler.attempt("tracker", self._thread.start)
            atexit.register(self.close)

    def _take(self, reading: Reading) -> None:
        if os.getpid() != self._owner:  # a forked child has no thread that sends
            return
        for name, made in open_runs():
            run = self._runs.get(name) or self._runs.setdefault(name, made())
            if self._waiting.qsize() < WAITING:
                self._waiting.put((name, partial(run.log, reading)))
            else:
                self._fail(name, "it is too slow; some labels are left out")

    def _send(self) -> None:
        while (item := self._waiting.get()) is not None:
            name, send = item
            try:
                send()
            except Exception as error:  # noqa: BLE001 - a tracker may raise anything
                self._fail(name, mask_forms(f"{type(error).__name__}: {error}"[:WORDS]))

    def _fail(self, name: str, why: str) -> None:
        if name not in self._failed:  # once
            self._failed.add(name)
            logger.warning("foldwatch: %s: %s; the training goes on", name, why)

    def close(self, error: BaseException | None = None) -> None:
        """Log the verdict on all that was recorded, and wait some seconds at most until it is sent."""
        sampler = self._sampler
        if sampler is None or self._is_closed or os.getpid() != self._owner:
            return
        self._is_closed = True
        sampler.listeners.remove(self._take)
        if error is not None:
            sampler.attempt("exception", lambda: sampler.record_raised(error))
        sampler.attempt("tracker", self._conclude)
        self._waiting.put(None)
        if self._thread.ident is not None:
            self._thread.join(END_SECONDS)

    def _conclude(self) -> None:
        for name, made in open_runs():
            self._runs.setdefault(name, made())
        if not self._runs:
            self._fail("track", "no run of MLflow or W&B was open at any label; nothing is sent")
        elif self._sampler is not None and self._sampler.journal is not None:
            facts = facts_of(self._sampler.journal.path, pid=os.getpid())
            for name, run in self._runs.items():
                self._waiting.put((name, partial(run.conclude, facts)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close(error)


def track(run_dir: str | os.PathLike[str] | None = None) -> Tracking:
    """Log readings at labels and the verdict to the runs of MLflow and W&B that are open. Never raises.

    Each label's numbers go to the runs that are open at that moment, under names such as ``foldwatch/rss_bytes`` and
    ``foldwatch/max_map_count_used_ratio``. At the end the verdict, what grows and the cause of a crash are set as tags.
    A thread sends them, so that no label waits for a server.

    Args:
        run_dir: The directory of the journal, as of `start`, which is called if it was not; the verdict needs one.

    Returns:
        A block: the verdict is logged at the end of ``with foldwatch.track(...)``, else at the end of the process.
    """
    start(run_dir=run_dir)
    return Tracking()


def log_verdict(
    run_dir: str | os.PathLike[str], *, mlflow_run: str | None = None
) -> dict[str, str]:
    """Judge a run that has ended, however it did, and log the verdict from outside.

    Args:
        run_dir: A run directory, a journal or a log.
        mlflow_run: The id of a run of MLflow; by default the runs that are open in this process.

    Returns:
        The facts that were logged: ``verdict``, ``outcome``, ``headline``, and ``growing``, ``cause`` and
        ``confidence`` where there are such.

    Raises:
        InputError: The directory holds no record; or nothing is open to log to.
    """
    facts = facts_of(os.fspath(run_dir))
    if mlflow_run is not None:
        runs: list[TrackerRun] = [MlflowRun(import_module("mlflow"), mlflow_run)]
    else:
        runs = [made() for _, made in open_runs()]
    if not runs:
        raise InputError("no run of MLflow or W&B is open here; open one, or name one of MLflow")
    for run in runs:
        run.conclude(facts)
    return facts
