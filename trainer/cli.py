"""The command ``foldwatch train``: arguments in, one run out."""

from __future__ import annotations

import enum
import os
import signal
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry import exporter
from telemetry.errors import FoldsFailedError, InputError
from telemetry.snapshot import Snapshot
from telemetry.terminal import put
from trainer.fold_runner import FoldRunner
from trainer.folds import REMEDIES, RunConfig, RunDirectory, plan
from trainer.model_function import REFERENCE, check_name
from trainer.progress import Progress, result_table

if TYPE_CHECKING:
    from types import FrameType

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
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="package.module:function, what trains a fold; by default the reference pipeline.",
            show_default=False,
        ),
    ] = REFERENCE,
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
    epochs: Annotated[int, typer.Option(help="Epochs of each stage of a fold.")] = 3,
    without: Annotated[
        str, typer.Option(metavar="NAMES", help=f"Switch off, to see: {','.join(REMEDIES)}.")
    ] = "",
    output: Annotated[
        str, typer.Option(metavar="DIR", help="The run directory.")
    ] = "foldwatch-run",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve /metrics on 127.0.0.1 meanwhile.")
    ] = None,
) -> None:
    """Cross-validate a model, by default the reference pipeline, each fold in a fresh process."""
    if folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs 2 folds or more")
    if fold is not None and not 1 <= fold <= folds:
        raise InputError(f"--fold {fold}: there are folds 1 to {folds}")
    if epochs < 1:
        raise InputError(f"--epochs {epochs}: at least 1")
    check_name(model)
    config = RunConfig(
        folds=folds,
        epochs=epochs,
        device_mode=device_mode.value,
        model=model,
        without=_switched_off(without),
    )
    is_isolated = isolation is Isolation.process and "isolation" not in config.without
    directory = RunDirectory(os.path.normpath(output))
    directory.create()
    with directory.locked(), Progress() as progress:
        signal.signal(signal.SIGTERM, _interrupt)
        latest = [Snapshot(run=directory.name, host=socket.gethostname(), folds=folds)]
        if port is not None:  # before anything is moved aside: a port in use must change nothing
            _serve(latest, port, progress)
        todo = plan(directory, config, only=fold, resume_mode=resume_mode.value)
        for remark in todo.remarks:
            progress.say(remark)

        def show(snapshot: Snapshot) -> None:
            latest[0] = snapshot
            progress.show(snapshot)

        def tell(part: FoldSnapshot) -> None:
            progress.say(_end_line(part, folds, directory))

        runner = FoldRunner(directory, config, todo, on_change=show, on_end=tell)
        summary = runner.run(is_isolated=is_isolated)
    put(result_table(summary))
    put(f"results: {os.path.join(directory.path, 'summary.json')}")
    if summary.missing:
        missing = ", ".join(map(str, summary.missing))
        put(f"means are over {len(summary.results)} of {folds} folds; without fold {missing}")
    if runner.failed:
        raise FoldsFailedError(_failure_line(runner.failed, directory))


def _switched_off(names: str) -> tuple[str, ...]:
    """Read ``caps,bounds``; the order says nothing, so it is REMEDIES'."""
    wanted = {name.strip() for name in names.split(",")} - {""}
    if unknown := wanted - set(REMEDIES):
        raise InputError(f"--without {', '.join(sorted(unknown))}: there are {', '.join(REMEDIES)}")
    return tuple(name for name in REMEDIES if name in wanted)


def _serve(latest: list[Snapshot], port: int, progress: Progress) -> None:
    try:
        bound = exporter.serve(lambda: latest[0], port=port)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}") from error
    progress.say(f"metrics at http://127.0.0.1:{bound}/metrics")


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
