"""``foldwatch grafana``: the shipped dashboards, rules and configurations, written to a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Annotated

import typer

from foldwatch.terminal import print_output
from telemetry.errors import InputError

app = typer.Typer()
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_SOURCES = (os.path.join(_PACKAGE, "grafana"), os.path.join(os.path.dirname(_PACKAGE), "grafana"))
"""Inside this package when it is installed, beside it in the repository."""


@app.command()
def grafana(
    output: Annotated[
        str, typer.Option(metavar="DIR", help="A new or empty folder.")
    ] = "foldwatch-grafana",
) -> None:
    """Write the Grafana dashboards, Prometheus rules and configurations, and a docker-compose.yml."""
    for path in write_grafana_files(output):
        print_output(os.path.join(output, path))


def write_grafana_files(folder: str) -> list[str]:
    """Write every file below ``folder``, which must be new or empty; return their paths inside it.

    All of them or none: they are written to a temporary folder first.

    Raises:
        InputError: The folder is not empty, or the disk is full.
    """
    source = next(path for path in _SOURCES if os.path.isdir(path))
    target = os.path.realpath(folder)  # a link to a folder stays one
    if os.path.exists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise InputError(f"--output {folder}: exists and is not empty; name a new folder")
    try:
        _copy(source, target)
    except (
        shutil.Error
    ) as error:  # one for each file that could not be copied; the first is reported
        _, _, reason = error.args[0][0]
        raise InputError(f"--output {folder}: cannot be written: {reason.split(':')[0]}") from error
    return sorted(
        os.path.relpath(os.path.join(path, name), target)
        for path, _, names in os.walk(target)
        for name in names
    )


def _copy(source: str, target: str) -> None:
    above = os.path.dirname(target)
    os.makedirs(above, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above, prefix=".foldwatch-") as temporary:
        whole = os.path.join(temporary, "grafana")
        shutil.copytree(source, whole, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        os.replace(whole, target)
