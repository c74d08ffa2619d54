"""``foldwatch analyze`` and ``foldwatch export``: arguments in, one call of what does it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from analyzer.command import analyze_command, check_writable
from analyzer.user_pattern import DEFAULT_UNIT, UserPattern
from telemetry.errors import InputError

if TYPE_CHECKING:
    from analyzer.openmetrics import Export

app = typer.Typer()

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Logs, journals, run directories, or - for input."),
]


@app.command("analyze")
def analyze_options(  # noqa: PLR0913, PLR0917 - one argument for each option
    paths: Paths,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page that needs nothing else.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a picture: .png, .svg or .pdf.")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER",
            help="Hold PATH against this earlier log or run: did the fix help? The exit code is PATH's.",
        ),
    ] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGEX",
            help="Read other lines too (RE2; repeatable): named groups threads, rss, rss_unit, maps, "
            "cgroup_pids, fold, folds, epoch, label.",
        ),
    ] = None,
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="Of an rss that --pattern finds without one.")
    ] = DEFAULT_UNIT,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also where growth or a crash is found.")
    ] = False,
) -> None:
    """Say what grows per fold, how many folds are left, and which limit ended the run."""
    code = analyze_command(
        paths,
        as_json=as_json,
        html=html,
        plot=plot,
        compare=compare,
        patterns=[UserPattern(expression, unit=unit) for expression in pattern or ()],
        exit_zero=exit_zero,
    )
    if code:
        raise typer.Exit(code)


@app.command("export")
def export_command(
    paths: Paths,
    openmetrics: Annotated[
        str, typer.Option(metavar="FILE", help="Write this file, for promtool tsdb.")
    ],
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When a log without times began, as 2026-01-31T08:00Z."),
    ] = None,
    step: Annotated[
        float, typer.Option(metavar="SECONDS", help="How far apart such a log's readings are put.")
    ] = 60.0,
) -> None:
    """Write old logs and journals as OpenMetrics: promtool tsdb create-blocks-from openmetrics."""
    from analyzer.openmetrics import collect, write  # noqa: PLC0415 - start-up is analyze's

    if not 0.001 <= step < float("inf"):
        raise InputError(f"--step {step:g}: at least 0.001 seconds")
    began = None if start is None else _time(start)
    check_writable(openmetrics)
    export = collect(paths, start=began, step=step)
    write(export, openmetrics)
    typer.echo(_export_words(export, openmetrics, step), err=True)


def _export_words(export: Export, path: str, step: float) -> str:
    series = sum(map(len, export.families.values()))
    words = [f"foldwatch: {path}: {export.readings:,} readings in {series:,} series"]
    if export.made_times:
        words.append(f"{export.made_times:,} of them had no time and were put {step:g} s apart")
    if export.repeated:
        words.append(f"{export.repeated:,} values gave way to a later one of the same millisecond")
    if export.stages_left_out:
        words.append(f"{export.stages_left_out:,} readings of further stages have no stage series")
    if export.skipped:
        words.append(f"{export.skipped:,} lines could not be read")
    return "; ".join(words)


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--start {text}: not a time such as 2026-01-31T08:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
