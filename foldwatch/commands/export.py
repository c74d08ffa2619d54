"""``foldwatch export``: old logs and journals as OpenMetrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from foldwatch.analysis import check_writable
from foldwatch.commands.options import Paths
from telemetry.errors import InputError

if TYPE_CHECKING:
    from analyzer.reports.openmetrics import Export

app = typer.Typer()


@app.command("export")
def export_command(
    paths: Paths,
    openmetrics: Annotated[
        str, typer.Option(metavar="FILE", help="File to write, for promtool tsdb.")
    ],
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Start of a log without times, e.g. 2026-01-31T08:00Z."),
    ] = None,
    step: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time between the readings of such a log.")
    ] = 60.0,
) -> None:
    """Write old logs and journals as OpenMetrics: promtool tsdb create-blocks-from openmetrics."""
    from analyzer.reports.openmetrics import collect, write  # noqa: PLC0415 - start-up is analyze's

    if not 0.001 <= step < float("inf"):
        raise InputError(f"--step {step:g}: at least 0.001 seconds")
    began = None if start is None else _time(start)
    check_writable(openmetrics, inputs=paths)
    export = collect(paths, start=began, step=step)
    write(export, openmetrics)
    typer.echo(_export_line(export, openmetrics, step), err=True)


def _export_line(export: Export, path: str, step: float) -> str:
    series = sum(map(len, export.families.values()))
    parts = [f"foldwatch: {path}: {export.readings:,} readings in {series:,} series"]
    if export.made_times:
        parts.append(f"{export.made_times:,} of them had no time and were put {step:g} s apart")
    if export.repeated:
        parts.append(f"{export.repeated:,} values gave way to a later one of the same millisecond")
    if export.stages_left_out:
        parts.append(f"{export.stages_left_out:,} readings of further stages have no stage series")
    if export.skipped:
        parts.append(f"{export.skipped:,} lines could not be read")
    if export.refused:
        parts.append(f"{len(export.refused):,} files are left out: {export.refused[0]}")
    return "; ".join(parts)


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--start {text}: not a time such as 2026-01-31T08:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
