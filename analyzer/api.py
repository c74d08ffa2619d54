"""The public `analyze`, and an `Analysis` that can show itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from analyzer import pipeline
from analyzer.logs.scan_options import ScanOptions
from analyzer.reports import figures, frames, html_report
from analyzer.result import AnalysisResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from analyzer.logs.user_pattern import UserPattern
    from analyzer.signatures.signature import Signature


class Analysis(AnalysisResult):
    """All that was read and found; in a notebook it is shown as the page of ``--html``."""

    __slots__ = ()

    def checkpoints(self) -> pd.DataFrame:
        """Return one row per labelled reading; the columns are those of frames.CHECKPOINTS."""
        return frames.checkpoints(self)

    def growth(self) -> pd.DataFrame:
        """Return one row per process and resource; the columns are those of frames.GROWTH."""
        return frames.growth(self)

    def causes(self) -> pd.DataFrame:
        """Return one row per process and candidate cause; the columns are those of frames.CAUSES."""
        return frames.causes(self)

    def figure(self) -> Figure:
        """Return the picture that ``--plot`` writes.

        Raises:
            InputError: Nothing was recorded.
            MissingExtraError: matplotlib is not installed.
        """
        return figures.plot(self)

    def _repr_html_(self) -> str:
        return html_report.as_notebook_cell(html_report.as_html(self))


def analyze(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    patterns: Sequence[UserPattern] = (),
    signatures: Sequence[Signature] = (),
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """Analyze logs, journals or run directories.

    Args:
        paths: One path or several; a directory is searched for runs; "-" reads standard input.
        patterns: Regular expressions for lines that are not ``[THREADS]`` lines.
        signatures: Of failures, tried before the built-in ones; see `read_signatures`.
        progress: Called with the number of bytes read so far, about ten times a second.

    Returns:
        One finding per process, in the order of the inputs.

    Raises:
        InputError: A path does not exist, cannot be read, or holds no log.
    """
    options = ScanOptions(patterns, signatures)
    result = pipeline.analyze(paths, options=options, progress=progress)
    return Analysis(result.sources, result.findings, result.earlier_runs)


def read_journal(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a journal into a frame: one row per reading, labelled or not.

    Args:
        path: A ``journal.jsonl``.

    Returns:
        The columns of `frames.READINGS`: the fields of `telemetry.Reading` that hold one value, in
        the units that their names say, and ``NAME_limit`` for each limit.

    Raises:
        OSError: The file cannot be read.
        MissingExtraError: pandas is not installed.
    """
    return frames.readings(os.fspath(path))
