"""The command ``foldwatch analyze``: arguments in, one analysis, text, JSON or a picture out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from analyzer import figures, report
from analyzer.analysis import analyze
from analyzer.user_pattern import DEFAULT_UNIT, UserPattern
from telemetry.errors import InputError
from telemetry.terminal import columns, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FOUND = 3
"""Exit code where growth or a limit crash was found."""

PROGRESS_BYTES = 2**29
"""Read in less time than it takes to look at a bar."""

app = typer.Typer()


@app.command("analyze")
def analyze_command(  # noqa: PLR0913, PLR0917 - its parameters are the command's options
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Logs, journals, run directories, or - for input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a picture: .png, .svg or .pdf.")
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
    if plot is not None:
        _check_writable(plot)
    patterns = [UserPattern(expression, unit=unit) for expression in pattern or ()]
    with _progress(paths) as tell:
        analysis = analyze(paths, patterns=patterns, tell=tell)
    if plot is not None:
        figures.save(figures.plot(analysis), plot)
    if as_json:
        put(json.dumps(report.as_json(analysis), indent=2))
    else:
        put(report.as_text(analysis, width=columns()))
    if analysis.verdict == "no samples":
        skipped = sum(len(source.skipped) for source in analysis.sources)
        found = f"{skipped} could not be read" if skipped else "no [THREADS] line was found"
        typer.echo(f"foldwatch: {found}, so growth cannot be judged", err=True)
    if analysis.verdict in {"crashed", "critical", "growing"} and not exit_zero:
        raise typer.Exit(FOUND)


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


def _check_writable(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise InputError(f"{path}: a directory; name a file to write")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such directory to write {os.path.basename(path)} into")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: not writable")
