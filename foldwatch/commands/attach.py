"""``foldwatch attach``: records a process that runs already, until it ends."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import typer

from foldwatch.analysis import FOUND
from foldwatch.commands.options import (
    AlertCommand,
    AlertHold,
    AlertmanagerUrl,
    AlertWebhooks,
    AttachedCgroup,
    AttachedName,
    AttachedPid,
    AttachLog,
    AttachOutput,
    FromStart,
    GroupReadable,
    LabelPattern,
    Otlp,
    PlannedFolds,
    Port,
    Quiet,
)
from foldwatch.running import alert_options
from foldwatch.terminal import print_output
from foldwatch.text.verdict_line import verdict_line
from telemetry.alerts.dispatch import HOLD_HOURS, alerting
from telemetry.daemon.daemon import Daemon
from telemetry.errors import InputError
from telemetry.journal.private_files import let_group_read
from telemetry.otlp.export import exporting
from trainer.attach.attached_process import AttachedProcess
from trainer.attach.log_labels import LogLabels, label_of_thread_line
from trainer.attach.readings_before import readings_before
from trainer.attach.session import record_until_end
from trainer.attach.target import Target, find_by_name, find_in_cgroup
from trainer.process.output_follower import printable
from trainer.process.signals import Interruptions
from trainer.run.checkpoint_pattern import CheckpointPattern
from trainer.run.directory import RunDirectory
from trainer.run.warning import explained, warn
from trainer.runner.growth_so_far import judge_run
from trainer.runner.live_port import serve_live

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.alerts.engine import AlertEngine
    from telemetry.reading import Reading
    from telemetry.snapshot import Snapshot

app = typer.Typer()
JUDGED_SHARE = 0.0002
"""Of the time, at most, that the record is being judged: it takes the time of the process's machine."""


@app.command()
def attach(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    pid: AttachedPid = None,
    name: AttachedName = None,
    cgroup: AttachedCgroup = None,
    output: AttachOutput = None,
    log: AttachLog = None,
    start: FromStart = False,
    checkpoint_pattern: LabelPattern = None,
    folds: PlannedFolds = None,
    group_readable: GroupReadable = False,
    port: Port = None,
    quiet: Quiet = False,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhooks = None,
    alertmanager: AlertmanagerUrl = None,
    alert_hold: AlertHold = HOLD_HOURS,
    otlp: Otlp = None,
) -> None:
    """Record a process that runs already, with its tree, until it ends: metrics, page, alerts, verdict."""
    let_group_read(is_wanted=group_readable)
    label_of = _label_of(checkpoint_pattern, folds)
    target = Target(_pid_of(pid, name, cgroup))
    run = RunDirectory(os.path.abspath(output or f"foldwatch-{target.pid}"))
    path = _log_of(target, log, is_wanted=start or bool(checkpoint_pattern))
    before = readings_before(target, path) if start and path else []
    options = alert_options(alert_command, alert_webhook, alertmanager, alert_hold)
    with exporting(otlp) as export:
        run.create()
        with (
            run.locked(),
            Interruptions() as interruptions,
            alerting(**options, also=export.alert) as alerts,
        ):
            process = _attached(target, run.path, path, label_of, before)
            daemon = _following(run.path, alerts)
            export.watch(lambda: daemon.snapshots)
            served = serve_live(lambda: daemon.snapshots, alerts, port=port)
            first = _first_line(target, run, path, has_pattern=bool(checkpoint_pattern))
            for line in () if quiet else (first, *served):
                warn(line)
            ending = record_until_end(process, interruptions, on_record=daemon.collect)
        warn(f"{target} {ending or 'runs on, and is recorded no more'}")
        words, is_alarming = verdict_line(run.path)
        export.verdict(words, is_alarming=is_alarming)
    if not quiet:
        print_output(printable(words))
    raise typer.Exit(FOUND if is_alarming else 0)


def _pid_of(pid: int | None, name: str | None, cgroup: str | None) -> int:
    given = [one for one in (pid, name, cgroup) if one is not None]
    if len(given) != 1:
        raise InputError("name one process: by PID, --name REGEX or --cgroup PATH")
    if name is not None:
        return find_by_name(name)
    return find_in_cgroup(cgroup) if cgroup is not None else int(given[0])


def _label_of(expression: str | None, folds: int | None) -> Callable[[str], str | None]:
    if not expression:
        return label_of_thread_line
    pattern = CheckpointPattern(expression)
    if pattern.names_fold and not pattern.names_folds and folds is None:
        raise InputError(
            f"--checkpoint-pattern {expression!r}: it names a fold, and not how many there are; add --folds N"
        )
    return partial(pattern.label_of_fold, folds=folds)


def _log_of(target: Target, log: str | None, *, is_wanted: bool) -> str | None:
    """Return the log that is named, or else the file that its output goes to, if that can be read. Raises InputError."""
    path = log or target.standard_output()
    if path is None and is_wanted:
        raise InputError(f"{target}: its output goes to no file; name its log: --log FILE")
    if path is None or (os.path.isfile(path) and os.access(path, os.R_OK)):
        return path
    if log is None and not is_wanted:
        return None
    why = "no such file"
    if os.path.exists(path):
        why = "cannot be read" if os.path.isfile(path) else "not a regular file"
    raise InputError(f"{path}: {why}; name the log that {target} writes: --log FILE")


def _attached(
    target: Target,
    directory: str,
    log: str | None,
    label_of: Callable[[str], str | None],
    before: Sequence[Reading],
) -> AttachedProcess:
    """Begin the record. Raises InputError."""
    try:
        labels = None if log is None else LogLabels(log, label_of)
        process = AttachedProcess(target, directory, labels=labels, before=before)
    except OSError as error:
        raise InputError(explained(error, error.filename or directory)) from error
    process.keep_last_minute()
    return process


def _following(directory: str, alerts: AlertEngine) -> Daemon:
    """Return what follows the record, after its first round."""
    daemon = Daemon(
        directory, judge=judge_run, judged_share=JUDGED_SHARE, on_publish=partial(_observe, alerts)
    )
    daemon.collect()
    return daemon


def _observe(alerts: AlertEngine, snapshots: Sequence[Snapshot]) -> None:
    alerts.observe(snapshots, time.time(), steady=time.monotonic())


def _first_line(target: Target, run: RunDirectory, log: str | None, *, has_pattern: bool) -> str:
    journal = run.layout.journal(None)
    source = "without labels: its output goes to no file, name its log by --log"
    if log is not None:
        kind = "labels" if has_pattern else "[THREADS] labels (others by --checkpoint-pattern)"
        source = f"with {kind} from {log}"
    return f"recording {target} in {journal}, {source}; Ctrl-C ends the record, not the process"
