"""One analysis, written and shown as it was asked for, and its exit code.

It does not import typer, so that ``foldwatch analyze LOG`` starts quickly.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from analyzer.logs.parallel import STANDARD_INPUT
from analyzer.logs.scan_options import PLAIN
from analyzer.pipeline import analyze, analyze_earlier
from analyzer.processes.inputs import find_inputs
from foldwatch.gate import Gate
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from analyzer.comparison import Comparison
    from analyzer.gate.checks import Check
    from analyzer.logs.scan_options import ScanOptions
    from analyzer.result import AnalysisResult

FOUND = 3
"""Exit code if growth was found, or if the run crashed or was stopped."""
NOTHING_JUDGED = 2
"""Exit code of ``--require-verdict`` if there was no reading and no failure to judge."""
PLOTS = (".png", ".svg", ".pdf")
PROGRESS_BYTES = 2**29
"""Read in less time than it takes to look at a bar."""
PROGRESS_BYTES_OF_PATTERNS = 2**23
"""As long, if every line matches a user's pattern."""


def analyze_command(  # noqa: PLR0913 - one argument for each option
    paths: Sequence[str],
    *,
    as_json: bool = False,
    show_all: bool = False,
    html: str | None = None,
    plot: str | None = None,
    compare: str | None = None,
    options: ScanOptions = PLAIN,
    exit_zero: bool = False,
    require_verdict: bool = False,
    gate: Gate | None = None,
) -> int:
    """Analyse ``paths``, print and write what was asked for, return the exit code. Raises InputError.

    An empty ``compare`` stands for the run before the last one of the same directory.
    """
    gate = gate or Gate()
    others = filter(None, (compare, gate.baseline))
    for path in filter(None, (plot, html, gate.markdown, gate.junit)):
        check_writable(path, inputs=[*paths, *others])
    if plot is not None and not plot.lower().endswith(PLOTS):
        raise InputError(f"{plot}: a plot is written as .png, .svg or .pdf")
    if [*paths, compare, gate.baseline].count(STANDARD_INPUT) > 1:
        raise InputError("-: standard input can be read once; name a file for one of the two")
    with _progress(paths, options) as progress:
        analysis = analyze(paths, options=options, progress=progress)
    comparison = None if compare is None else _compared(analysis, compare, options)
    checks = gate.checks(analysis, options)
    _write_files(analysis, comparison, html=html, plot=plot)
    gate.write(analysis, checks)
    if as_json:
        _print_json(analysis, comparison, checks if gate.is_asked_for else None)
    else:
        _print_text(analysis, comparison, show_all=show_all)
        if gate.is_asked_for:
            _print_checks(checks)
    from analyzer.result import OverallVerdict  # noqa: PLC0415 - the reading does not wait for it

    has_no_samples = analysis.verdict == OverallVerdict.NO_SAMPLES
    if has_no_samples:
        skipped = sum(source.skipped_count for source in analysis.sources)
        found = f"{skipped} could not be read" if skipped else "no labelled reading was found"
        print(f"foldwatch: {found}, so growth cannot be judged", file=sys.stderr)
    if gate.has_failed(analysis, checks) and not exit_zero:
        return FOUND
    if require_verdict and (has_no_samples or gate.is_undecided(checks)):
        return NOTHING_JUDGED
    return 0


@contextlib.contextmanager
def _progress(paths: Sequence[str], options: ScanOptions) -> Iterator[Callable[[int], None] | None]:
    """Show how much of big files is read, on a terminal. No thread: the reading forks."""
    total = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
    least = PROGRESS_BYTES_OF_PATTERNS if options.patterns else PROGRESS_BYTES
    if total < least or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress  # noqa: PLC0415 - only a big log on a terminal needs it

    from foldwatch.terminal import console  # noqa: PLC0415 - see above

    with Progress(console=console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda done: progress.update(task, completed=done, refresh=True)


def _compared(analysis: AnalysisResult, other: str, options: ScanOptions) -> Comparison:
    from analyzer.comparison import compare  # noqa: PLC0415 - loaded when it is needed

    if not other:
        return compare(analyze_earlier(analysis, options=options), analysis)
    return compare(analyze([other], options=options), analysis)


def _write_files(
    analysis: AnalysisResult, comparison: Comparison | None, *, html: str | None, plot: str | None
) -> None:
    if plot is not None:
        from analyzer.reports import figures  # noqa: PLC0415 - loaded when it is needed

        figures.save(figures.plot(analysis), plot)
    if html is not None:
        from analyzer.reports import html_report  # noqa: PLC0415 - loaded when it is needed

        html_report.save(html_report.as_html(analysis, comparison), html)


def _print_json(
    analysis: AnalysisResult, comparison: Comparison | None, checks: Sequence[Check] | None
) -> None:
    from analyzer.reports import json_report  # noqa: PLC0415 - loaded when it is needed
    from foldwatch.terminal import print_json  # noqa: PLC0415 - loaded when it is needed

    content = json_report.as_json(analysis)
    if comparison is not None:
        content["compared_with"] = json_report.comparison_json(comparison)
    if checks is not None:
        content["checks"] = [one.as_json() for one in checks]
    print_json(content)


def _print_text(analysis: AnalysisResult, comparison: Comparison | None, *, show_all: bool) -> None:
    from foldwatch.terminal import columns, encoding, print_output  # noqa: PLC0415 - loaded when it is needed
    from foldwatch.text import report  # noqa: PLC0415 - loaded when it is needed
    from foldwatch.text.comparison import comparison_text  # noqa: PLC0415 - loaded when it is needed
    from foldwatch.text.detail import ALL, SHORT  # noqa: PLC0415 - loaded when it is needed

    width = columns()
    middle = [] if comparison is None else list(comparison_text(comparison, width=width))
    detail = ALL if show_all else SHORT
    print_output(
        report.as_text(analysis, width=width, encoding=encoding(), middle=middle, detail=detail)
    )


def _print_checks(checks: Sequence[Check]) -> None:
    from foldwatch.terminal import print_output  # noqa: PLC0415 - loaded when it is needed
    from foldwatch.text.checks import checks_text  # noqa: PLC0415 - loaded when it is needed

    print_output(checks_text(checks))


def check_writable(path: str, *, inputs: Iterable[str]) -> None:
    """Raise InputError if no file can be written at ``path``, or one of ``inputs`` would be lost by it."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise InputError(f"{path}: a directory; name a file to write")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such directory to write {os.path.basename(path)} into")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: not writable")
    if os.path.isfile(path) and any(_is_same(path, own) for own in _files_of(inputs)):
        raise InputError(f"{path}: one of the files to read; name another one to write")


def _files_of(paths: Iterable[str]) -> Iterator[str]:
    for found in find_inputs(paths):
        yield from filter(None, (*found.earlier, found.log, found.journal, found.failure))


def _is_same(path: str, own: str) -> bool:
    """Whether both are one file, by whatever names; ``own`` may be standard input."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(path), os.stat(0 if own == STANDARD_INPUT else own))
    return False
