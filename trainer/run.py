"""One run from its plan to what a person is told of it, whatever it trains.

Owns the order: the lock, who listens, the plan, the folds, the table, and the root cause last.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from analyzer.live import growth_so_far
from telemetry import exporter
from telemetry.alert_options import alerting
from telemetry.errors import FoldsFailedError, InputError
from telemetry.snapshot import Snapshot
from telemetry.terminal import put
from telemetry.thread_log import clean_label
from trainer.data_digest import printed_digest
from trainer.fold_runner import FoldRunner
from trainer.folds import RunConfig, RunDirectory, plan
from trainer.progress import Progress, result_table
from trainer.supervisor import adopt_orphans

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from telemetry.alerts import AlertEngine
    from telemetry.snapshot import FoldSnapshot
    from trainer.fold_failure import FoldFailure
    from trainer.fold_result import Summary
    from trainer.folds import Config, Plan
    from trainer.work import RunOptions, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for, beside the work itself."""

    output: str
    only: int | None
    resume_mode: str
    port: int | None
    options: RunOptions
    alerts: Mapping[str, str | None]
    """Who is told of them: the arguments of `alerting`."""


def carry_out(config: Config, work: Work, order: Order) -> None:
    """Run the folds. Raises InputError, and FoldsFailedError with the root cause."""
    if order.only is not None and not 1 <= order.only <= config.folds:
        raise InputError(
            f"--fold {order.only}: there are folds 1 to {config.folds}, as --folds says"
        )
    directory = RunDirectory(os.path.normpath(order.output))
    directory.create()
    with (
        directory.locked() as lock,
        Progress() as progress,
        alerting(**order.alerts, say=progress.say) as alerts,
    ):
        take_charge()
        latest = [Snapshot(run=directory.name, host=socket.gethostname(), folds=config.folds)]
        if order.port is not None:  # before anything moves: a port in use must change nothing
            _serve(latest, alerts, order.port, progress)
        todo = _plan(directory, config, order, progress)
        runner = run_folds(
            directory,
            config,
            todo,
            work=work,
            options=replace(order.options, lock=lock),
            alerts=alerts,
            progress=progress,
            latest=latest,
        )
        summary = runner.summary()
    _report(summary, directory)
    if runner.failures:
        raise FoldsFailedError(_failure_line(runner.failures, directory))


def take_charge() -> None:
    """Let SIGTERM end the run as Ctrl-C does, and lose no process that a fold has left."""
    signal.signal(signal.SIGTERM, _interrupt)
    adopt_orphans()


def run_folds(  # noqa: PLR0913 - what to run, how, and who watches
    directory: RunDirectory,
    config: Config,
    todo: Plan,
    *,
    work: Work,
    options: RunOptions,
    alerts: AlertEngine,
    progress: Progress,
    latest: list[Snapshot],
) -> FoldRunner:
    """Run the folds with ``alerts`` watching, and keep ``latest[0]`` up to date; return the runner.

    Raises what `FoldRunner.run` raises; nothing of the run is alive then.
    """
    growth = growth_so_far(directory.path)

    def show(snapshot: Snapshot) -> None:
        latest[0] = replace(snapshot, growth=growth())
        alerts.observe(latest, time.time())
        progress.show(snapshot)

    runner = FoldRunner(
        directory,
        config,
        todo,
        work=work,
        options=options,
        on_change=show,
        on_end=lambda part: progress.say(_end_line(part, directory, runner.failures)),
        on_line=progress.output,
        say=progress.say,
    )
    runner.run()
    return runner


def _plan(directory: RunDirectory, config: Config, order: Order, progress: Progress) -> Plan:
    """Decide what to run and say why."""
    todo = plan(
        directory,
        config,
        only=order.only,
        resume_mode=order.resume_mode,
        data_digest=_data_digest(directory, config, order, progress),
    )
    for remark in todo.remarks:
        progress.say(remark)
    return todo


def _data_digest(
    directory: RunDirectory, config: Config, order: Order, progress: Progress
) -> str | None:
    """Ask a process of its own for the hash of the data, where earlier results may be used.

    It loads the model's module, which is not for the runner to load.
    """
    if not isinstance(config, RunConfig) or (order.resume_mode == "fresh" and order.only is None):
        return None
    if not any(directory.result(fold) for fold in range(1, config.folds + 1)):
        return None
    progress.say(f"reading the hash of the data of {config.model}")
    arguments = [config.model, str(config.folds), str(config.seed), str(os.getpid())]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "trainer.data_digest", *arguments],
        capture_output=True,
        check=False,
    )
    digest = printed_digest(done.stdout.decode("utf-8", "replace"))
    if done.returncode or digest is None:
        lines = done.stderr.decode("utf-8", "replace").splitlines() or ["it said nothing"]
        raise InputError(f"{config.model}: its data cannot be read: {clean_label(lines[-1])}")
    return digest


def _serve(latest: list[Snapshot], alerts: AlertEngine, port: int, progress: Progress) -> None:
    try:
        from telemetry.web import serve_in_thread  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        serve = partial(exporter.serve, lambda: latest[0])
        what = "metrics at http://127.0.0.1:{}/metrics; pip install 'foldwatch[serve]' for a page"
    else:
        serve = partial(serve_in_thread, lambda: latest, lambda: alerts.active)
        what = "metrics at http://127.0.0.1:{0}/metrics, the page at http://127.0.0.1:{0}/"
    try:
        bound = serve(port=port)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}") from error
    progress.say(what.format(bound))


def _end_line(
    part: FoldSnapshot, directory: RunDirectory, failures: Mapping[int, FoldFailure]
) -> str:
    if part.fold is not None and part.fold in failures:
        return f"fold {part.fold} failed: {failures[part.fold].reason}"
    result = directory.result(part.fold or 0)
    metrics = result.metrics if result else {}
    words = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return f"fold {part.fold} finished in {part.seconds or 0:.1f} s{': ' if words else ''}{words}"


def _report(summary: Summary, directory: RunDirectory) -> None:
    put(result_table(summary))
    put(f"results: {os.path.join(directory.path, 'summary.json')}")
    if summary.missing:
        missing = ", ".join(map(str, summary.missing))
        finished = len(summary.results)
        put(f"means are over {finished} of {summary.folds} folds; without fold {missing}")
    for name, folds in summary.not_finite().items():
        without = ", ".join(map(str, folds))
        put(f"{clean_label(name)}: no finite number in fold {without}, which its mean leaves out")


def _failure_line(failures: Mapping[int, FoldFailure], directory: RunDirectory) -> str:
    """Name the folds, where to read on, and the root cause last."""
    names = ", ".join(map(str, failures))
    first = next(iter(failures.values()))
    path = os.path.join(directory.fold(first.fold), "failure.json")
    return f"fold {names} failed; see {path}\nfoldwatch: fold {first.fold}: {first.root_cause}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM before the first fold and after the last ends a run as Ctrl-C does."""
    raise KeyboardInterrupt
