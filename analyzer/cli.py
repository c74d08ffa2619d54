"""The command ``foldwatch analyze``: arguments in, one analysis, text, JSON or a picture out."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from analyzer import figures, json_report, report
from analyzer.analysis import analyze
from telemetry.errors import InputError
from telemetry.terminal import columns, put

FOUND = 3
"""Exit code where growth or a limit crash was found."""

app = typer.Typer()


@app.command("analyze")
def analyze_command(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Logs, journals, run directories, or - for input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a picture: .png, .svg or .pdf.")
    ] = None,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also where growth or a crash is found.")
    ] = False,
) -> None:
    """Say what grows per fold, how many folds are left, and which limit ended the run."""
    if plot is not None:
        _check_writable(plot)
    analysis = analyze(paths)
    if plot is not None:
        figures.save(figures.plot(analysis), plot)
    if as_json:
        put(json.dumps(json_report.as_json(analysis), indent=2))
    else:
        put(report.as_text(analysis, width=columns()))
    if analysis.verdict == "no samples":
        skipped = sum(len(source.skipped) for source in analysis.sources)
        found = f"{skipped} could not be read" if skipped else "no [THREADS] line was found"
        typer.echo(f"foldwatch: {found}, so growth cannot be judged", err=True)
    if analysis.verdict in {"crashed", "critical", "growing"} and not exit_zero:
        raise typer.Exit(FOUND)


def _check_writable(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise InputError(f"{path}: a directory; name a file to write")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such directory to write {os.path.basename(path)} into")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: not writable")
