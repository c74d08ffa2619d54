"""The command ``foldwatch train``: arguments in, one run out."""

from __future__ import annotations

import enum
import os
import signal
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from analyzer.live import with_growth
from telemetry import exporter
from telemetry.alert_options import (
    AlertCommand,
    AlertmanagerUrl,
    AlertWebhook,
    alerting,
)
from telemetry.errors import FoldsFailedError, InputError
from telemetry.snapshot import Snapshot
from telemetry.terminal import put
from trainer.fold_runner import FoldRunner
from trainer.folds import RunConfig, RunDirectory, plan
from trainer.progress import Progress, result_table

if TYPE_CHECKING:
    from types import FrameType

    from telemetry.alerts import AlertEngine
    from telemetry.snapshot import FoldSnapshot

app = typer.Typer()


class ResumeMode(enum.StrEnum):
    """What happens to folds that are finished."""

    fresh = "fresh"
    auto = "auto"


class DeviceMode(enum.StrEnum):
    """Which devices the strategy mirrors over."""

    cpu = "cpu"
    single = "single"
    multi = "multi"


class Isolation(enum.StrEnum):
    """How folds are spread over processes."""

    process = "process"
    none = "none"


@app.command()
def train(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation, 2 or more.")] = 3,
    fold: Annotated[int | None, typer.Option(help="Run this fold only.")] = None,
    resume_mode: Annotated[
        ResumeMode,
        typer.Option(
            "--resume-mode",
            "--resume_mode",
            help="auto skips finished folds; fresh runs all again.",
        ),
    ] = ResumeMode.fresh,
    device_mode: Annotated[
        DeviceMode,
        typer.Option(
            "--device-mode", "--device_mode", help="multi: every GPU, or logical CPU devices."
        ),
    ] = DeviceMode.multi,
    isolation: Annotated[
        Isolation, typer.Option(help="process: one per fold; none: one for all, so growth shows.")
    ] = Isolation.process,
    epochs: Annotated[int, typer.Option(help="Epochs of each fold.")] = 3,
    output: Annotated[
        str, typer.Option(metavar="DIR", help="The run directory.")
    ] = "foldwatch-run",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve /metrics and a page on 127.0.0.1 meanwhile."),
    ] = None,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhook = None,
    alertmanager: AlertmanagerUrl = None,
) -> None:
    """Cross-validate the reference pipeline in TensorFlow, each fold in a fresh process."""
    if folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs 2 folds or more")
    if fold is not None and not 1 <= fold <= folds:
        raise InputError(f"--fold {fold}: there are folds 1 to {folds}")
    if epochs < 1:
        raise InputError(f"--epochs {epochs}: at least 1")
    config = RunConfig(folds=folds, epochs=epochs, device_mode=device_mode.value)
    directory = RunDirectory(os.path.normpath(output))
    directory.create()
    with (
        directory.locked(),
        Progress() as progress,
        alerting(
            command=alert_command,
            webhook=alert_webhook,
            alertmanager=alertmanager,
            say=progress.say,
        ) as alerts,
    ):
        signal.signal(signal.SIGTERM, _interrupt)
        latest = [Snapshot(run=directory.name, host=socket.gethostname(), folds=folds)]
        if port is not None:  # before anything is moved aside: a port in use must change nothing
            _serve(latest, alerts, directory, port, progress)
        todo = plan(directory, config, only=fold, resume_mode=resume_mode.value)
        for remark in todo.remarks:
            progress.say(remark)

        def show(snapshot: Snapshot) -> None:
            latest[0] = snapshot
            alerts.observe([snapshot], time.time())
            progress.show(snapshot)

        def tell(part: FoldSnapshot) -> None:
            progress.say(_end_line(part, folds, directory))

        runner = FoldRunner(directory, config, todo, on_change=show, on_end=tell)
        summary = runner.run(is_isolated=isolation is Isolation.process)
    put(result_table(summary))
    put(f"results: {os.path.join(directory.path, 'summary.json')}")
    if summary.missing:
        missing = ", ".join(map(str, summary.missing))
        put(f"means are over {len(summary.results)} of {folds} folds; without fold {missing}")
    if runner.failed:
        raise FoldsFailedError(_failure_line(runner.failed, directory))


def _serve(
    latest: list[Snapshot],
    alerts: AlertEngine,
    directory: RunDirectory,
    port: int,
    progress: Progress,
) -> None:
    try:
        from telemetry.web import serve_in_thread  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        serve = partial(exporter.serve, lambda: latest[0])
        what = "metrics at http://127.0.0.1:{}/metrics; pip install 'foldwatch[serve]' for a page"
    else:
        snapshots = with_growth(lambda: latest[0], directory.path)
        serve = partial(serve_in_thread, snapshots, lambda: alerts.active)
        what = "metrics at http://127.0.0.1:{0}/metrics, the page at http://127.0.0.1:{0}/"
    try:
        bound = serve(port=port)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}") from error
    progress.say(what.format(bound))


def _end_line(part: FoldSnapshot, folds: int, directory: RunDirectory) -> str:
    if part.state != "finished" or part.fold is None:
        return f"fold {part.fold}/{folds} failed, exit code {part.exit_code}"
    result = directory.result(part.fold)
    metrics = result.metrics if result else {}
    words = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    return f"fold {part.fold}/{folds} finished in {part.seconds or 0:.1f} s: {words}"


def _failure_line(failed: list[int], directory: RunDirectory) -> str:
    names = ", ".join(map(str, failed))
    path = os.path.join(directory.fold(failed[0]), "failure.json")
    return f"fold {names} failed; see {path}, and: foldwatch analyze {directory.path}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: the fold's processes first."""
    raise KeyboardInterrupt
