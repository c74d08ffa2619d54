"""The commands ``foldwatch train``, ``run`` and ``reproduce``: arguments in, one run out."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from telemetry.alert_options import (  # noqa: TC001 - typer reads the annotations
    AlertCommand,
    AlertmanagerUrl,
    AlertWebhook,
)
from telemetry.errors import FoldsFailedError, InputError
from trainer import reproduce_report
from trainer.environment import THREAD_CAPS
from trainer.fold_cgroup import CgroupLimits, parse_size
from trainer.folds import REMEDIES, CommandConfig, RunConfig, RunDirectory
from trainer.live_output import CheckpointPattern
from trainer.model_function import REFERENCE, check_name, missing_modules
from trainer.options import (
    CgroupPids,
    DeviceMode,
    Isolation,
    Memory,
    Only,
    Output,
    Parallel,
    Port,
    ReproduceScenario,
    Resume,
    ResumeMode,
    Retries,
    StopOnFailure,
    Timeout,
)
from trainer.progress import Progress
from trainer.reproduce import RUNS, run_twice
from trainer.run import Order, carry_out
from trainer.run_command import check_command, command_work
from trainer.work import TRAINING, RunOptions, Work, worker_command

app = typer.Typer()


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
    fold: Only = None,
    resume_mode: Resume = ResumeMode.fresh,
    device_mode: Annotated[
        DeviceMode,
        typer.Option(
            "--device-mode", "--device_mode", help="multi: every GPU, or logical CPU devices."
        ),
    ] = DeviceMode.multi,
    isolation: Annotated[
        Isolation,
        typer.Option(
            help="process: one per fold; none: one for all, so growth shows;"
            " auto: one for as long as the forecast says that the next fold fits."
        ),
    ] = Isolation.process,
    epochs: Annotated[int, typer.Option(help="Epochs of each stage of a fold.")] = 3,
    without: Annotated[
        str, typer.Option(metavar="NAMES", help=f"Switch off, to see: {','.join(REMEDIES)}.")
    ] = "",
    timeout: Timeout = None,
    retries: Retries = 0,
    parallel: Parallel = 1,
    stop_on_failure: StopOnFailure = False,
    cgroup_pids: CgroupPids = None,
    memory: Memory = None,
    output: Output = "foldwatch-run",
    port: Port = None,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhook = None,
    alertmanager: AlertmanagerUrl = None,
) -> None:
    """Cross-validate a model, by default the reference pipeline, each fold in a fresh process."""
    if folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs 2 folds or more")
    if epochs < 1:
        raise InputError(f"--epochs {epochs}: at least 1")
    check_name(model)
    if model == REFERENCE:
        _check_installed()
    config = RunConfig(
        folds=folds,
        epochs=epochs,
        device_mode=device_mode.value,
        model=model,
        without=_switched_off(without),
    )
    if "isolation" in config.without:
        isolation = Isolation.none
    if parallel > 1 and isolation is not Isolation.process:
        raise InputError(f"--parallel {parallel}: only with --isolation process")
    order = Order(
        output=output,
        only=fold,
        resume_mode=resume_mode.value,
        port=port,
        options=RunOptions(
            isolation=isolation.value,
            parallel=parallel,
            retries=retries,
            timeout_seconds=timeout,
            stops_on_failure=stop_on_failure,
            limits=_limits(cgroup_pids, memory),
        ),
        alerts=_alerts(alert_command, alert_webhook, alertmanager),
    )
    caps = {} if "caps" in config.without else THREAD_CAPS
    work = Work(command=worker_command, takes_orders=TRAINING.takes_orders, caps=caps)
    carry_out(config, work, order)


@app.command(context_settings={"allow_interspersed_args": False}, options_metavar="[OPTIONS] --")
def run(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            help="The command of one fold; {fold} and {folds} are filled in.",
            show_default=False,
        ),
    ],
    folds: Annotated[int, typer.Option(min=1, help="How many times, as folds 1 to N.")] = 1,
    fold: Only = None,
    resume_mode: Resume = ResumeMode.fresh,
    checkpoint_pattern: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Read at each line of output that matches; named groups make the label.",
        ),
    ] = None,
    timeout: Timeout = None,
    retries: Retries = 0,
    parallel: Parallel = 1,
    stop_on_failure: StopOnFailure = False,
    cgroup_pids: CgroupPids = None,
    memory: Memory = None,
    output: Output = "foldwatch-run",
    port: Port = None,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhook = None,
    alertmanager: AlertmanagerUrl = None,
) -> None:
    """Run any command once for each fold, in a fresh process, watched from outside."""
    config = CommandConfig(folds=folds, command=tuple(command))
    check_command(config)
    order = Order(
        output=output,
        only=fold,
        resume_mode=resume_mode.value,
        port=port,
        options=RunOptions(
            parallel=parallel,
            retries=retries,
            timeout_seconds=timeout,
            stops_on_failure=stop_on_failure,
            limits=_limits(cgroup_pids, memory),
            pattern=CheckpointPattern(checkpoint_pattern) if checkpoint_pattern else None,
            shows_output=True,
        ),
        alerts=_alerts(alert_command, alert_webhook, alertmanager),
    )
    carry_out(config, command_work(config), order)


@app.command()
def reproduce(
    scenario: Annotated[
        ReproduceScenario,
        typer.Argument(
            metavar="SCENARIO",
            help=f"Which limit it dies of: {', '.join(ReproduceScenario)}.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str, typer.Option(metavar="DIR", help="For both runs, reproduce.json and two pictures.")
    ] = "foldwatch-reproduce",
) -> None:
    """See the crash happen in miniature, the alert before it, and the same folds finish isolated."""
    _check_installed("matplotlib")
    directory = RunDirectory(os.path.normpath(output))
    directory.create()
    with directory.locked():
        with Progress() as progress:
            aside = directory.set_aside([*RUNS, *reproduce_report.FILES])
            if aside is not None:
                progress.say(f"earlier results are now in {aside}")
            found = run_twice(scenario.value, directory.path, progress)
        outcome = reproduce_report.Outcome.of(found, directory.path)
        reproduce_report.write(found, outcome, directory.path)
        reproduce_report.show(found, outcome, directory.path)
    if lacks := reproduce_report.missing(found, outcome):
        raise FoldsFailedError(f"reproduce {scenario.value}: {'; '.join(lacks)}")


def _check_installed(*more: str) -> None:
    if missing := missing_modules(*more):
        raise InputError(f"{', '.join(missing)} is missing: pip install 'foldwatch[train]'")


def _limits(pids: int | None, memory: str | None) -> CgroupLimits:
    size = None if memory is None else parse_size(memory)
    return CgroupLimits(pids=pids, memory_bytes=size)


def _alerts(
    command: str | None, webhook: str | None, alertmanager: str | None
) -> dict[str, str | None]:
    return {"command": command, "webhook": webhook, "alertmanager": alertmanager}


def _switched_off(names: str) -> tuple[str, ...]:
    """Read ``caps,bounds``; the order says nothing, so it is REMEDIES'."""
    wanted = {name.strip() for name in names.split(",")} - {""}
    if unknown := wanted - set(REMEDIES):
        raise InputError(f"--without {', '.join(sorted(unknown))}: there are {', '.join(REMEDIES)}")
    return tuple(name for name in REMEDIES if name in wanted)
