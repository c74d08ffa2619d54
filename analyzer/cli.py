"""``foldwatch analyze`` and ``foldwatch export``: arguments in, one analysis or one file out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from analyzer.analysis import analyze
from analyzer.user_pattern import DEFAULT_UNIT, UserPattern
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from analyzer.analysis import Analysis
    from analyzer.before_after import Comparison
    from analyzer.openmetrics import Export

FOUND = 3
"""Exit code where growth or a limit crash was found."""
PLOTS = (".png", ".svg", ".pdf")

PROGRESS_BYTES = 2**29
"""Read in less time than it takes to look at a bar."""

app = typer.Typer()

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Logs, journals, run directories, or - for input."),
]


@app.command("analyze")
def analyze_command(  # noqa: PLR0913, PLR0917 - one argument for each option
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
    for path in filter(None, (plot, html)):
        _check_writable(path)
    if plot is not None and not plot.lower().endswith(PLOTS):
        raise InputError(f"{plot}: a plot is written as .png, .svg or .pdf")
    if compare == "-" and "-" in paths:
        raise InputError("-: standard input can be read once; name a file for one of the two")
    patterns = [UserPattern(expression, unit=unit) for expression in pattern or ()]
    with _progress(paths) as tell:
        analysis = analyze(paths, patterns=patterns, tell=tell)
    comparison = None if compare is None else _compared(analysis, compare, patterns)
    _write_files(analysis, comparison, html=html, plot=plot)
    if as_json:
        _print_json(analysis, comparison)
    else:
        _print_text(analysis, comparison)
    if analysis.verdict == "no samples":
        skipped = sum(source.skipped_count for source in analysis.sources)
        found = f"{skipped} could not be read" if skipped else "no [THREADS] line was found"
        typer.echo(f"foldwatch: {found}, so growth cannot be judged", err=True)
    if analysis.verdict in {"crashed", "critical", "growing"} and not exit_zero:
        raise typer.Exit(FOUND)


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
    _check_writable(openmetrics)
    export = collect(paths, start=began, step=step)
    write(export, openmetrics)
    typer.echo(_export_words(export, openmetrics, step), err=True)


@contextlib.contextmanager
def _progress(paths: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """Show how much of big files is read, on a terminal. No thread: the reading forks."""
    total = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
    if total < PROGRESS_BYTES or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a big log on a terminal needs it
    from rich.progress import Progress  # noqa: PLC0415 - see above

    console = Console(stderr=True)
    with Progress(console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda done: progress.update(task, completed=done, refresh=True)


def _compared(analysis: Analysis, other: str, patterns: Sequence[UserPattern]) -> Comparison:
    from analyzer.before_after import compare  # noqa: PLC0415 - see `export_command`

    return compare(analyze([other], patterns=patterns), analysis)


def _write_files(
    analysis: Analysis, comparison: Comparison | None, *, html: str | None, plot: str | None
) -> None:
    if plot is not None:
        from analyzer import figures  # noqa: PLC0415 - see `export_command`

        figures.save(figures.plot(analysis), plot)
    if html is not None:
        from analyzer import html_report  # noqa: PLC0415 - see `export_command`

        html_report.save(html_report.as_html(analysis, comparison), html)


def _print_json(analysis: Analysis, comparison: Comparison | None) -> None:
    from analyzer import json_report  # noqa: PLC0415 - see `export_command`
    from telemetry.terminal import put  # noqa: PLC0415 - see `export_command`

    content = json_report.as_json(analysis)
    if comparison is not None:
        content["compared_with"] = json_report.comparison_json(comparison)
    put(json.dumps(content, indent=2))


def _print_text(analysis: Analysis, comparison: Comparison | None) -> None:
    from analyzer import report  # noqa: PLC0415 - see `export_command`
    from analyzer.comparison_report import comparison_text  # noqa: PLC0415 - see `export_command`
    from telemetry.terminal import columns, encoding, put  # noqa: PLC0415 - see `export_command`

    width = columns()
    middle = [] if comparison is None else list(comparison_text(comparison, width=width))
    put(report.as_text(analysis, width=width, encoding=encoding(), middle=middle))


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


def _check_writable(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise InputError(f"{path}: a directory; name a file to write")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such directory to write {os.path.basename(path)} into")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: not writable")
