"""Runs folds for ``train`` and ``run``, and reports: the table, what is missing, the root cause last."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from foldwatch.terminal import print_output
from foldwatch.text.progress import Progress
from telemetry.errors import FoldsFailedError, MissingExtraError
from telemetry.thread_line import clean_label
from trainer.run.cgroup_limits import CgroupLimits, parse_size
from trainer.runner.session import RunOutcome, RunRequest, run_session
from trainer.worker.model_loader import missing_modules

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trainer.run.config import Config
    from trainer.run.fold_result import Aggregate, Summary
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
    command: str | None, webhook: str | None, alertmanager: str | None
) -> dict[str, str | None]:
    """Return the arguments of `alerting` from the options' values."""
    return {"command": command, "webhook": webhook, "alertmanager": alertmanager}


def run_and_report(config: Config, job: Job, request: RunRequest) -> None:
    """Run the folds and print their results.

    Raises:
        FoldsFailedError: A fold left no result; its message ends in the root cause.
    """
    with Progress() as progress:
        outcome = run_session(config, job, request, observer=progress)
    print_output(result_table(outcome.summary))
    for line in _remarks(outcome):
        print_output(line)
    if outcome.failures:
        raise FoldsFailedError(_failure_line(outcome))


def _remarks(outcome: RunOutcome) -> list[str]:
    summary = outcome.summary
    lines = [f"results: {os.path.join(outcome.directory.path, 'summary.json')}"]
    if summary.missing:
        missing = ", ".join(map(str, summary.missing))
        finished = len(summary.results)
        lines.append(f"means are over {finished} of {summary.folds} folds; without fold {missing}")
    for name, folds in summary.not_finite().items():
        without = ", ".join(map(str, folds))
        lines.append(
            f"{clean_label(name)}: no finite number in fold {without}, which its mean leaves out"
        )
    return lines


def _failure_line(outcome: RunOutcome) -> str:
    """Name the folds, where to read on, and the root cause last."""
    names = ", ".join(map(str, outcome.failures))
    first = next(iter(outcome.failures.values()))
    path = os.path.join(outcome.directory.fold(first.fold), "failure.json")
    return f"fold {names} failed; see {path}\nfoldwatch: fold {first.fold}: {first.root_cause}"


def result_table(summary: Summary) -> RenderableType:
    """Return the folds' metrics, and mean and deviation over those that are there."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    aggregates = summary.aggregates()
    table.add_column("fold", footer=f"mean of {len(summary.results)} of {summary.folds}")
    for name, aggregate in aggregates.items():
        footer = _with_deviation(aggregate)
        if aggregate.folds < len(summary.results):
            footer += f" ({aggregate.folds} of {summary.folds})"
        table.add_column(escape(clean_label(name)), justify="right", footer=footer)
    table.add_column("seconds", justify="right")
    for result in summary.results:
        metrics = result.metrics
        values = [f"{metrics[name]:.4f}" if name in metrics else "" for name in aggregates]
        table.add_row(str(result.fold), *values, f"{result.seconds:.1f}")
    return table


def _with_deviation(aggregate: Aggregate) -> str:
    if aggregate.mean is None:
        return "none"
    if aggregate.std is None:
        return f"{aggregate.mean:.4f}"
    return f"{aggregate.mean:.4f} ± {aggregate.std:.4f}"
