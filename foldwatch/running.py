"""Runs the folds of ``train`` and ``run`` and reports: a table, the missing folds, the root cause last."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from foldwatch.terminal import print_output
from foldwatch.text.progress import Progress
from foldwatch.text.results import result_table
from foldwatch.text.verdict_line import verdict_line
from telemetry.alerts.dispatch import HOLD_HOURS
from telemetry.errors import FoldsFailedError, MissingExtraError
from telemetry.otlp.export import exporting
from trainer.process.output_follower import printable
from trainer.run.cgroup_limits import CgroupLimits, parse_size
from trainer.run.warning import warn
from trainer.runner.session import RunOutcome, RunRequest, run_session
from trainer.worker.model_loader import missing_modules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.alerts.dispatch import AlertOptions
    from telemetry.otlp.export import OtlpExport
    from trainer.run.config import Config
    from trainer.run.job import Job


def check_installed(*more: str) -> None:
    """Raise InputError if the reference pipeline, or ``more``, is not installed."""
    if missing := missing_modules(*more):
        raise MissingExtraError(f"{', '.join(missing)} is missing", extra="train")


def limits(pids: int | None, memory: str | None) -> CgroupLimits:
    """Return the limits of one fold from the options' values."""
    size = None if memory is None else parse_size(memory)
    return CgroupLimits(pids=pids, memory_bytes=size)


def alert_options(
    command: str | None,
    webhooks: Sequence[str] | None,
    alertmanager: str | None,
    hold_hours: float = HOLD_HOURS,
) -> AlertOptions:
    """Return the arguments of `alerting` from the options' values."""
    return {
        "command": command,
        "webhooks": tuple(webhooks or ()),
        "alertmanager": alertmanager,
        "hold_hours": hold_hours,
    }


def run_and_report(config: Config, job: Job, request: RunRequest) -> None:
    """Run the folds and print their results.

    Raises:
        FoldsFailedError: A fold left no result; its message ends in the root cause.
    """
    progress = Progress()
    with exporting(request.otlp, log=progress.on_message) as export:
        with progress:
            outcome = run_session(config, job, request, observer=progress, export=export)
        _report(outcome, request, export)


def _report(outcome: RunOutcome, request: RunRequest, export: OtlpExport) -> None:
    """Print the results. Raises FoldsFailedError."""
    try:
        print_output(result_table(outcome.summary))
        for line in (*_remarks(outcome), *_verdict(outcome, request, export)):
            print_output(printable(line))
    except (
        OSError
    ) as error:  # the exit code tells of the folds, not of a full disk behind the output
        warn(f"{error.filename}: {error.strerror}")
    if outcome.failures:
        raise FoldsFailedError(_failure_line(outcome))
    if outcome.unwritten:
        raise FoldsFailedError(f"{outcome.directory.path}: {outcome.unwritten}")


def _remarks(outcome: RunOutcome) -> list[str]:
    summary = outcome.summary
    lines = [f"results: {outcome.directory.layout.summary_json}"]
    if outcome.unwritten:  # what lies there is an earlier one
        lines = [f"results: in no file; {outcome.unwritten}"]
    if summary.missing:
        missing = ", ".join(map(str, summary.missing))
        finished = len(summary.results)
        lines.append(f"averages cover {finished} of {summary.folds} folds (missing: {missing})")
    for name, folds in summary.not_finite().items():
        without = ", ".join(map(str, folds))
        lines.append(f"{name}: not finite in fold {without}, which its average leaves out")
    return lines


def _verdict(outcome: RunOutcome, request: RunRequest, export: OtlpExport) -> list[str]:
    """Say what grew and how it ended, unless that is not wanted."""
    if request.quiet and not request.otlp:
        return []
    words, is_alarming = verdict_line(outcome.directory.path)
    export.verdict(words, is_alarming=is_alarming)
    return [] if request.quiet else [words]


def _failure_line(outcome: RunOutcome) -> str:
    """Name the failed folds, the path of the first failure, and the root cause last."""
    names = ", ".join(map(str, outcome.failures))
    first = next(iter(outcome.failures.values()))
    path = outcome.directory.layout.failure(first.fold)
    where = f"; see {path}" if os.path.exists(path) else ""  # on a full disk there is none
    return f"fold {names} failed{where}\nfoldwatch: fold {first.fold}: {first.root_cause}"
