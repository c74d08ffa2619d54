"""``foldwatch run``: any command, once for each fold."""

from __future__ import annotations

import typer

from foldwatch.commands.options import (
    AlertCommand,
    AlertHold,
    AlertmanagerUrl,
    AlertWebhooks,
    Caps,
    CgroupPids,
    FoldCommand,
    Gpus,
    GroupReadable,
    LabelPattern,
    Memory,
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
    Times,
)
from foldwatch.running import alert_options, limits, run_and_report
from telemetry.alerts.dispatch import HOLD_HOURS
from telemetry.journal.private_files import let_group_read
from trainer.run.checkpoint_pattern import CheckpointPattern
from trainer.run.config import CommandConfig
from trainer.run.job import RunOptions
from trainer.run.thread_caps import caps_for
from trainer.runner.command_job import check_command, command_job
from trainer.runner.session import RunRequest

app = typer.Typer()


@app.command(context_settings={"allow_interspersed_args": False}, options_metavar="[OPTIONS] --")
def run(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    command: FoldCommand,
    folds: Times = 1,
    fold: Only = None,
    resume_mode: Resume = ResumeMode.fresh,
    checkpoint_pattern: LabelPattern = None,
    timeout: Timeout = None,
    retries: Retries = 0,
    parallel: Parallel = 1,
    gpus: Gpus = None,
    stop_on_failure: StopOnFailure = False,
    caps: Caps = None,
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
    """Run any command once for each fold, in a fresh process, watched from outside."""
    let_group_read(is_wanted=group_readable)
    config = CommandConfig(folds=folds, command=tuple(command))
    check_command(config)
    options = RunOptions(
        parallel=parallel,
        gpus=gpus,
        retries=retries,
        timeout_seconds=timeout,
        stops_on_failure=stop_on_failure,
        limits=limits(cgroup_pids, memory),
        pattern=_checked(checkpoint_pattern),
        shows_output=True,
    )
    request = RunRequest(
        output=output,
        only=fold,
        resume_mode=resume_mode.value,
        port=port,
        quiet=quiet,
        options=options,
        alerts=alert_options(alert_command, alert_webhook, alertmanager, alert_hold),
        otlp=otlp,
    )
    wanted = {} if caps is None else caps_for(caps, parallel=1 if fold else min(parallel, folds))
    run_and_report(config, command_job(config, caps=wanted), request)


def _checked(expression: str | None) -> str | None:
    """Return the expression for labels, None for none; what is wrong with it is said before anything runs."""
    if not expression:
        return None
    CheckpointPattern(expression)
    return expression
