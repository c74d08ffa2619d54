"""`run_session`: one run from its lock to its summary, whatever it trains.

In this order: the lock, the alerts, the port, the plan, the folds.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from telemetry.alerts.dispatch import AlertOptions, alerting
from telemetry.errors import InputError
from telemetry.file_fault import reason
from telemetry.journal.resume import resume_command
from telemetry.masking import masked
from telemetry.thread_line import clean_label
from trainer.process.supervisor import adopt_orphans
from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.resume_plan import plan
from trainer.run.thread_caps import described
from trainer.runner.fold_runner import FoldRunner
from trainer.runner.gpus import GpuPool, visible_gpus
from trainer.runner.growth_so_far import growth_so_far
from trainer.runner.live_port import serve_live
from trainer.runner.observer import RunObserver
from trainer.runner.run_state import RunState
from trainer.worker.data_digest import printed_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from telemetry.alerts.engine import AlertEngine
    from telemetry.otlp.export import OtlpExport
    from telemetry.snapshot import Snapshot
    from trainer.agent.fold_failure import FoldFailure
    from trainer.run.config import Config
    from trainer.run.directory import RunLock
    from trainer.run.fold_result import Summary
    from trainer.run.job import Job, RunOptions
    from trainer.run.resume_plan import Plan


LOST = "its lock was removed or replaced during the run: another run may have written here"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run is asked for, besides its configuration and job."""

    output: str
    only: int | None
    resume_mode: str
    port: int | None
    options: RunOptions
    alerts: AlertOptions
    """The arguments of `alerting`."""
    otlp: str | None = None
    """The argument of `exporting`."""
    quiet: bool = False
    """Whether to leave out the lines that say where it is recorded, and what the record shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """The results and failures of a run."""

    directory: RunDirectory
    summary: Summary
    failures: Mapping[int, FoldFailure]
    """By fold; empty if every fold of this run finished."""
    unwritten: str | None
    """Why there is no summary of this run in its directory; None if there is one."""


def run_session(
    config: Config, job: Job, request: RunRequest, *, observer: RunObserver, export: OtlpExport
) -> RunOutcome:
    """Run the folds; ``export`` gets their state and alerts.

    Raises:
        InputError: The request cannot be met; nothing was moved or run.
        KeyboardInterrupt: The run was asked to end; nothing of it lives.
    """
    _check_fold(request.only, config)
    try:
        directory = RunDirectory(os.path.abspath(request.output))
    except FileNotFoundError as error:
        raise InputError("the working directory is gone; change to one that is there") from error
    gpus = _gpus(request.options, folds=config.folds if request.only is None else 1)
    directory.create()
    with (
        directory.locked() as lock,
        alerting(**request.alerts, log=observer.on_message, also=export.alert) as alerts,
    ):
        install_signal_handlers()
        state = watched_state(directory, config, alerts=alerts, observer=observer)
        export.watch(lambda: [state.current])
        # Before anything moves, and before a word: a port in use must change nothing.
        served = serve_live(lambda: [state.current], alerts, port=request.port)
        for line in (*_first_lines(directory, job, lock, request), *served):
            observer.on_message(line)
        runner = FoldRunner(
            directory,
            config,
            _plan(directory, config, request, observer),
            job=job,
            options=replace(request.options, lock=lock.descriptor if lock.has_locks else None),
            gpus=gpus,
            may_go_on=lock.renew,
            observer=observer,
            state=state,
        )
        alerts.run_again(directory.path)
        summary = runner.run()
        is_ours = lock.is_held()
    return RunOutcome(
        directory=directory,
        summary=summary,
        failures=runner.failures,
        unwritten=runner.unwritten if is_ours else LOST,
    )


def _check_fold(only: int | None, config: Config) -> None:
    if only is not None and not 1 <= only <= config.folds:
        raise InputError(f"--fold {only}: there are folds 1 to {config.folds}, as --folds says")


def _gpus(options: RunOptions, *, folds: int) -> GpuPool | None:
    """Return the GPUs to deal out, if folds are to get their own. Raises InputError."""
    if options.gpus is None:
        return None
    return GpuPool(visible_gpus(), each=options.gpus, parallel=min(options.parallel, folds))


def _first_lines(
    directory: RunDirectory, job: Job, lock: RunLock, request: RunRequest
) -> Iterator[str]:
    """Give what is to be known before the first fold: nothing is changed in silence."""
    if not request.quiet:
        yield f"recording in {directory.path}"
    if job.caps:
        yield described(job.caps, os.environ)
    if not lock.has_locks:
        yield f"{directory.path}: its file system has no locks; a lease stands for it"


def install_signal_handlers() -> None:
    """Let SIGTERM end the run as Ctrl-C does, and adopt every process that a fold leaves behind."""
    signal.signal(signal.SIGTERM, _interrupt)
    adopt_orphans()


def watched_state(
    directory: RunDirectory, config: Config, *, alerts: AlertEngine, observer: RunObserver
) -> RunState:
    """Return the state of a run that is judged for growth and for alerts at each change."""
    state = RunState(
        directory.name,
        folds=config.folds,
        observer=_AlertingObserver(alerts, observer),
        growth=growth_so_far(directory.path),
    )
    state.describe(
        directory=directory.path,
        command=_command(config),
        resume=resume_command(directory.path, asdict(config)),
    )
    return state


def _command(config: Config) -> str:
    """Return what is run for each fold, without secrets."""
    if isinstance(config, RunConfig):
        return f"foldwatch train {config.model}"
    return shlex.join(masked(config.command))


class _AlertingObserver(RunObserver):
    """Shows each state to the alert engine, then to another observer."""

    def __init__(self, alerts: AlertEngine, observer: RunObserver) -> None:
        self._alerts = alerts
        self._observer = observer
        self.on_message = observer.on_message  # type: ignore[method-assign] # passed on as it comes

    def on_change(self, snapshot: Snapshot, /) -> None:
        self._alerts.observe([snapshot], time.time(), steady=time.monotonic())
        self._observer.on_change(snapshot)


def _plan(
    directory: RunDirectory, config: Config, request: RunRequest, observer: RunObserver
) -> Plan:
    """Decide what to run and report why."""
    digest = _data_digest(directory, config, request, observer)
    try:
        directory.check_room()
        made = plan(
            directory,
            config,
            only=request.only,
            resume_mode=request.resume_mode,
            data_digest=digest,
        )
    except OSError as error:
        raise InputError(
            f"{error.filename or directory.path}: {reason(error)}; nothing was moved aside or run"
        ) from error
    for remark in made.remarks:
        observer.on_message(remark)
    return made


def _data_digest(
    directory: RunDirectory, config: Config, request: RunRequest, observer: RunObserver
) -> str | None:
    """Return the hash of the data if earlier results may be used, read in a process of its own.

    That process imports the model's module, so the runner does not have to.
    """
    is_fresh = request.resume_mode == "fresh" and request.only is None
    if not isinstance(config, RunConfig) or is_fresh:
        return None
    if not any(directory.result(fold) for fold in range(1, config.folds + 1)):
        return None
    observer.on_message(f"reading the hash of the data of {config.model}")
    arguments = [config.model, str(config.folds), str(config.seed), str(os.getpid())]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "trainer.worker.data_digest", *arguments],
        capture_output=True,
        check=False,
    )
    digest = printed_digest(done.stdout.decode("utf-8", "replace"))
    if done.returncode or digest is None:
        lines = done.stderr.decode("utf-8", "replace").splitlines() or ["no output"]
        raise InputError(f"{config.model}: its data cannot be read: {clean_label(lines[-1])}")
    return digest


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM before the first fold and after the last ends a run as Ctrl-C does."""
    raise KeyboardInterrupt
