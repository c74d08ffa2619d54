"""``foldwatch reproduce``: the crash in miniature, and the same folds isolated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from analyzer.comparison import compare
from foldwatch.commands.options import GroupReadable, ReproduceOutput, Scenario
from foldwatch.running import check_installed
from foldwatch.terminal import columns, print_output
from foldwatch.text.comparison import comparison_text
from foldwatch.text.progress import Progress
from telemetry.errors import FoldsFailedError
from telemetry.journal.private_files import let_group_read
from trainer.reproduce import report
from trainer.reproduce.scenarios import FOLDS, RUNS, run_twice
from trainer.run.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.reproduce.scenarios import Reproduced

app = typer.Typer()


@app.command()
def reproduce(
    scenario: Scenario,
    output: ReproduceOutput = "foldwatch-reproduce",
    group_readable: GroupReadable = False,
) -> None:
    """See the crash happen in miniature, the alert before it, and the same folds finish isolated."""
    check_installed("matplotlib")
    let_group_read(is_wanted=group_readable)
    directory = RunDirectory(os.path.abspath(output))
    directory.create()
    with directory.locked():
        with Progress() as progress:
            backup_dir = directory.set_aside([*RUNS, *report.FILES])
            if backup_dir is not None:
                progress.on_message(f"earlier results moved to {backup_dir}")
            found = run_twice(scenario.value, directory.path, progress)
        outcome = report.ScenarioOutcome.of(found, directory.path)
        report.write(found, outcome, directory.path)
        _show(found, outcome, directory.path)
    if unmet := report.missing(found, outcome):
        raise FoldsFailedError(f"reproduce {scenario.value}: {'; '.join(unmet)}")


def _show(found: Reproduced, outcome: report.ScenarioOutcome, path: str) -> None:
    """Print the outcome and the table of before and after to standard output."""
    for line in _lines(found, outcome):
        print_output(line)
    comparison = compare(found.one_process, found.isolated)
    for part in comparison_text(comparison, width=columns(), with_sources=False):
        print_output(part)
    print_output(
        f"\npictures: {os.path.join(path, report.PICTURE)}, {os.path.join(path, report.CRASH_PICTURE)}"
    )


def _lines(found: Reproduced, outcome: report.ScenarioOutcome) -> Iterator[str]:
    yield f"reproduce {found.scenario}: {found.enforcement.description}"
    if outcome.fold is None:
        yield "crash      none"
    else:
        message = outcome.message or "no message: its output just ends"
        yield f"crash      fold {outcome.fold}/{FOLDS}, {outcome.signal or found.exit_code}: {message}"
    if outcome.alert is None or outcome.lead_seconds is None:
        yield "alert      none"
    else:
        alert = outcome.alert
        yield f"alert      {outcome.lead_seconds:.1f} s before: {alert.name}, {alert.summary}"
    peaks = [
        f"{'not seen' if peak is None else f'{peak:.0%}'} {run}"
        for run, peak in zip(
            ("in one process", "isolated"), outcome.used_at_most.values(), strict=True
        )
    ]
    evidence = "; ".join(outcome.evidence[:1])
    yield f"cause      {outcome.cause} ({outcome.confidence}): {evidence}"
    yield f"isolated   {len(found.finished)} of {FOLDS} folds finished"
    yield f"at most    {found.enforcement.limit}: {', '.join(peaks)}, as sampled"
