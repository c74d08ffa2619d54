"""``foldwatch train``: a cross-validation, each fold in a fresh process."""

from __future__ import annotations

import typer

from foldwatch.commands.options import (
    AlertCommand,
    AlertHold,
    AlertmanagerUrl,
    AlertWebhooks,
    Attribute,
    CgroupPids,
    Device,
    DeviceMode,
    Epochs,
    FoldIsolation,
    Folds,
    Gpus,
    GroupReadable,
    Isolation,
    Memory,
    Model,
    Only,
    Otlp,
    Output,
    Parallel,
    Port,
    Quiet,
    Resume,
    ResumeMode,
    Retries,
    StopOnFailure,
    Timeout,
    Without,
)
from foldwatch.running import alert_options, check_installed, limits, run_and_report
from telemetry.alerts.dispatch import HOLD_HOURS
from telemetry.errors import InputError
from telemetry.journal.private_files import let_group_read
from trainer.run.config import MITIGATIONS, REFERENCE, RunConfig
from trainer.run.job import RunOptions, training_job
from trainer.runner.session import RunRequest
from trainer.worker.model_loader import check_name

app = typer.Typer()


@app.command()
def train(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    model: Model = REFERENCE,
    folds: Folds = 3,
    fold: Only = None,
    resume_mode: Resume = ResumeMode.fresh,
    device_mode: Device = DeviceMode.multi,
    isolation: FoldIsolation = Isolation.process,
    epochs: Epochs = 3,
    without: Without = "",
    attribute: Attribute = False,
    timeout: Timeout = None,
    retries: Retries = 0,
    parallel: Parallel = 1,
    gpus: Gpus = None,
    stop_on_failure: StopOnFailure = False,
    cgroup_pids: CgroupPids = None,
    memory: Memory = None,
    output: Output = "foldwatch-run",
    group_readable: GroupReadable = False,
    port: Port = None,
    quiet: Quiet = False,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhooks = None,
    alertmanager: AlertmanagerUrl = None,
    alert_hold: AlertHold = HOLD_HOURS,
    otlp: Otlp = None,
) -> None:
    """Cross-validate a model, by default the reference pipeline, each fold in a fresh process."""
    let_group_read(is_wanted=group_readable)
    config = _config(model, folds=folds, epochs=epochs, device_mode=device_mode, without=without)
    request = RunRequest(
        output=output,
        only=fold,
        resume_mode=resume_mode.value,
        port=port,
        quiet=quiet,
        options=RunOptions(
            isolation=_isolation(isolation, config, parallel=parallel).value,
            parallel=parallel,
            gpus=gpus,
            retries=retries,
            timeout_seconds=timeout,
            stops_on_failure=stop_on_failure,
            limits=limits(cgroup_pids, memory),
            attributes=attribute,
        ),
        alerts=alert_options(alert_command, alert_webhook, alertmanager, alert_hold),
        otlp=otlp,
    )
    run_and_report(config, training_job(config), request)


def _isolation(asked: Isolation, config: RunConfig, *, parallel: int) -> Isolation:
    isolation = Isolation.none if "isolation" in config.without else asked
    if parallel > 1 and isolation is not Isolation.process:
        raise InputError(f"--parallel {parallel}: only with --isolation process")
    return isolation


def _config(
    model: str, *, folds: int, epochs: int, device_mode: DeviceMode, without: str
) -> RunConfig:
    if folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs 2 folds or more")
    if epochs < 1:
        raise InputError(f"--epochs {epochs}: at least 1")
    check_name(model)
    if model == REFERENCE:
        check_installed()
    return RunConfig(
        folds=folds,
        epochs=epochs,
        device_mode=device_mode.value,
        model=model,
        without=_switched_off(without),
    )


def _switched_off(names: str) -> tuple[str, ...]:
    """Parse ``caps,bounds``; the order means nothing, so it is that of MITIGATIONS."""
    wanted = {name.strip() for name in names.split(",")} - {""}
    if unknown := wanted - set(MITIGATIONS):
        known = ", ".join(MITIGATIONS)
        raise InputError(f"--without {', '.join(sorted(unknown))}: there are {known}")
    return tuple(name for name in MITIGATIONS if name in wanted)
