"""What a report says of its own record: when, where and by what command it was made, and with which versions."""

from __future__ import annotations

import os
import shlex
import time
from importlib import metadata
from typing import TYPE_CHECKING

from analyzer import formatting as fmt
from telemetry.formatting import format_duration, format_time
from telemetry.journal.run_layout import RunLayout
from telemetry.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from analyzer.processes.process import Process
    from analyzer.result import AnalysisResult

MOST = 3
"""Different values of one fact that are shown."""
LONGEST = 300


def facts(analysis: AnalysisResult) -> list[tuple[str, str]]:
    """Return names and values; a fact that nothing recorded is left out."""
    processes = [finding.process for finding in analysis.findings]
    headers = [process.header for process in processes if process.header is not None]
    versions = (
        ", ".join(f"{name} {number}" for name, number in header.versions.items())
        for header in headers
    )
    found = [
        ("path", _several(source.path for source in analysis.sources)),
        ("recorded", _recorded(analysis, processes)),
        ("host", _several(header.host for header in headers)),
        ("command", _several(map(shlex.join, _commands(processes)))),
        ("versions", _several(versions)),
        ("report", f"made {format_time(time.time())} by foldwatch {_version()}"),
    ]
    return [(name, words) for name, words in found if words]


def _several(values: Iterable[str]) -> str:
    distinct = [*dict.fromkeys(filter(None, values))]
    words = "; ".join(fmt.safe(value, longest=LONGEST) for value in distinct[:MOST])
    return words + (f" and {len(distinct) - MOST:,} more" if len(distinct) > MOST else "")


def _commands(processes: Sequence[Process]) -> Iterator[Sequence[str]]:
    """Give what the processes were started with; a runner notes it for all of a run."""
    for directory in dict.fromkeys(process.group for process in processes):
        yield masked(RunLayout(directory).command())
    for process in processes:
        yield masked(process.argv)


def _recorded(analysis: AnalysisResult, processes: Iterable[Process]) -> str:
    """Say when the first and the last reading was made; of a log without times, when it was last written."""
    spans = [span for process in processes if (span := process.span) is not None]
    if spans:
        first, last = min(span[0] for span in spans), max(span[1] for span in spans)
        return f"{format_time(first)} to {format_time(last)} ({format_duration(last - first)})"
    paths = [source.path for source in analysis.sources if os.path.isfile(source.path)]
    if not paths:
        return ""
    return f"no reading has a time; last written {format_time(max(map(os.path.getmtime, paths)))}"


def _version() -> str:
    try:
        return metadata.version("foldwatch")
    except metadata.PackageNotFoundError:
        return "from source"
