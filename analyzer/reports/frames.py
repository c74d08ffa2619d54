"""An `AnalysisResult` as pandas frames, for notebooks.

Owns the columns: their names, units and dtypes are a contract. Absent is ``<NA>``, never 0. pandas is
loaded when a frame is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.groups import rank
from analyzer.resources import RESOURCES
from telemetry.errors import MissingExtraError
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analyzer.result import AnalysisResult
    from telemetry.reading import Limit

WHO: Mapping[str, str] = {
    "source": "string",
    "process": "Int64",
    "pid": "Int64",
    "rank": "string",
}
"""``process`` numbers the processes of the analysis from 0: a PID may come back, a log has none."""

CHECKPOINTS: Mapping[str, str] = {
    **WHO,
    "line": "Int64",
    "time": "datetime64[ns, UTC]",
    "label": "string",
    "fold": "Int64",
    "folds": "Int64",
    "stage": "string",
    **dict.fromkeys(RESOURCES, "Int64"),
    **{f"{name}_limit": "Float64" for name in RESOURCES},
}
"""Dtype by column: one row per labelled reading.

``line`` of the source; ``time`` is NaT for a log without times; ``threads``, ``cgroup_pids`` and
``maps`` are counts, ``rss_bytes`` bytes; a limit is infinite where the kernel says that there is none,
and ``<NA>`` where it is not known.
"""

GROWTH: Mapping[str, str] = {
    **WHO,
    "step": "string",
    "resource": "string",
    "verdict": "string",
    "slope": "Float64",
    "slope_low": "Float64",
    "slope_high": "Float64",
    "first": "Int64",
    "last": "Int64",
    "peak": "Int64",
    "limit": "Int64",
    "folds_to_limit": "Float64",
    "reason": "string",
}
"""Dtype by column: one row per process and resource, values in the resource's own unit.

``step`` is ``fold``, or ``epoch`` where labels carry epochs: ``slope`` is per epoch there.
"""


def checkpoints(analysis: AnalysisResult) -> pd.DataFrame:
    """Return one row per labelled reading; the columns are those of CHECKPOINTS."""
    rows = [
        {
            **who,
            "line": sample.line,
            "time": None if sample.time is None else round(sample.time * 1e6) * 1000,
            "label": sample.label.text,
            "fold": sample.label.fold,
            "folds": sample.label.folds,
            "stage": sample.label.stage,
            **{name: sample.values.get(name) for name in RESOURCES},  # noqa: PD011 - a Sample, not a frame
            **{f"{name}_limit": _limit(sample.limits.get(name)) for name in RESOURCES},
        }
        for who, finding in zip(_who(analysis), analysis.findings, strict=True)
        for sample in finding.process.checkpoints
    ]
    return _frame(rows, CHECKPOINTS)


def growth(analysis: AnalysisResult) -> pd.DataFrame:
    """Return one row per process and resource; the columns are those of GROWTH."""
    rows = []
    for who, finding in zip(_who(analysis), analysis.findings, strict=True):
        for step, judged in (("fold", finding.growth), ("epoch", finding.epochs)):
            for name, found in judged.items():
                known = {column: getattr(found, column, None) for column in GROWTH}
                rows.append(known | who | {"step": step, "resource": name})
    return _frame(rows, GROWTH)


def _who(analysis: AnalysisResult) -> list[dict[str, Any]]:
    return [
        {
            "source": finding.process.source,
            "process": number,
            "pid": finding.process.pid,
            "rank": rank(finding),
        }
        for number, finding in enumerate(analysis.findings)
    ]


def _limit(limit: Limit | None) -> float | None:
    if isinstance(limit, int):
        return float(limit)
    return float("inf") if limit is LimitState.UNLIMITED else None


def _frame(rows: list[dict[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    try:
        import pandas as pd  # noqa: PLC0415 - see the module's text
    except ImportError as error:
        raise MissingExtraError("frames need pandas", extra="analyze") from error
    columns: dict[str, pd.Series[Any]] = {}
    for name, dtype in dtypes.items():
        values = [row[name] for row in rows]
        if dtype.startswith("datetime64"):
            nanoseconds = pd.Series(values, dtype="Int64")
            columns[name] = pd.to_datetime(nanoseconds, unit="ns", utc=True)
        else:
            columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)
