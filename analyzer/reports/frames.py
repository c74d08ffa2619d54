"""An `AnalysisResult`, or a journal, as pandas frames.

Names, units and dtypes of the columns are a contract. Absent is ``<NA>``, never 0; a limit is infinite
if there is none, and ``<NA>`` if it is not known. ``frame.attrs["units"]`` has the unit of each column
that holds amounts. pandas is loaded when a frame is made.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from analyzer.diagnosis.confidence import Confidence
from analyzer.growth.verdict import Verdict
from analyzer.resources import RESOURCES
from telemetry.errors import MissingExtraError
from telemetry.journal.follower import JournalFollower
from telemetry.limits import USED_BY
from telemetry.reading import LimitState, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analyzer.result import AnalysisResult
    from telemetry.reading import Limit

_INTEGER, _FLOAT, _TEXT, _TIME = "Int64", "Float64", "string", "datetime64[ns, UTC]"
_ORDERED = "category"
"""An ordered categorical: verdicts and confidences by their rank, stages as they first appear."""
_UNITS = {name: "bytes" if name.endswith("_bytes") else name for name in RESOURCES}

WHO: Mapping[str, str] = {"source": _TEXT, "process": _INTEGER, "pid": _INTEGER, "rank": _TEXT}
"""``process`` numbers the processes of the analysis from 0: a PID may come back, a log has none."""

CHECKPOINTS: Mapping[str, str] = {
    **WHO,
    "line": _INTEGER,
    "time": _TIME,
    "label": _TEXT,
    "fold": _INTEGER,
    "folds": _INTEGER,
    "stage": _ORDERED,
    **dict.fromkeys(RESOURCES, _INTEGER),
    **{f"{name}_limit": _FLOAT for name in RESOURCES},
}
"""Dtype by column: one row per labelled reading.

``line`` of the source; ``time`` is NaT for a log without times; ``threads``, ``cgroup_pids`` and
``maps`` are counts, ``rss_bytes`` bytes.
"""

GROWTH: Mapping[str, str] = {
    **WHO,
    "step": _TEXT,
    "resource": _TEXT,
    "verdict": _ORDERED,
    "slope": _FLOAT,
    "slope_low": _FLOAT,
    "slope_high": _FLOAT,
    "slope_unit": _TEXT,
    "first": _INTEGER,
    "last": _INTEGER,
    "peak": _INTEGER,
    "limit": _FLOAT,
    "folds_to_limit": _FLOAT,
    "reason": _TEXT,
    "nature": _TEXT,
}
"""Dtype by column: one row per process and resource, values in the resource's own unit.

``step`` is ``fold``, or ``epoch`` if labels carry epochs, or the unit of `Growth` over time; ``slope``
and its interval are in ``slope_unit``, as ``bytes/fold``. ``nature`` says what grown memory is, if that is known.
"""

CAUSES: Mapping[str, str] = {
    **WHO,
    "cause": _TEXT,
    "confidence": _ORDERED,
    "evidence": _TEXT,
}
"""Dtype by column: one row per process and candidate, best founded first; evidence is one text."""

_OWN = {
    "time",
    "label",
    "stage",
    "pools",
    "map_kinds",
    "pressure_seconds",
    "gpus",
    "peaks",
    "children",
    "children_time",
}
_DTYPE_OF = {"int": _INTEGER, "float": _FLOAT, "str": _TEXT, "bool": "boolean"}
READINGS: Mapping[str, str] = {
    "time": _TIME,
    "label": _TEXT,
    "stage": _ORDERED,
    **{
        field.name: _DTYPE_OF[str(field.type).removesuffix(" | None")]
        for field in fields(Reading)
        if field.name not in {*_OWN, "limits", "errors"}
    },
    **{f"{name}_limit": _FLOAT for name in USED_BY},
}
"""Dtype by column: one row per reading of a journal; ``label`` is ``<NA>`` for a sample between labels.

The columns are the fields of `telemetry.Reading` that hold one value, and each limit by its name.
"""


def checkpoints(analysis: AnalysisResult) -> pd.DataFrame:
    """Return one row per labelled reading; the columns are those of CHECKPOINTS."""
    rows = [
        {
            **who,
            "line": checkpoint.line,
            "time": _nanoseconds(checkpoint.time),
            "label": checkpoint.label.text,
            "fold": checkpoint.label.fold,
            "folds": checkpoint.label.folds,
            "stage": checkpoint.label.stage,
            **{name: checkpoint.values.get(name) for name in RESOURCES},  # noqa: PD011 - a Checkpoint, not a frame
            **{f"{name}_limit": _limit(checkpoint.limits.get(name)) for name in RESOURCES},
        }
        for who, finding in zip(_who(analysis), analysis.findings, strict=True)
        for checkpoint in finding.process.checkpoints
    ]
    units = _UNITS | {f"{name}_limit": unit for name, unit in _UNITS.items()}
    return _frame(rows, CHECKPOINTS, units=units)


def growth(analysis: AnalysisResult) -> pd.DataFrame:
    """Return one row per process and resource; the columns are those of GROWTH."""
    rows = []
    for who, finding in zip(_who(analysis), analysis.findings, strict=True):
        for judged in (finding.growth, finding.epochs, finding.over_time):
            for name, found in judged.items():
                known = {column: getattr(found, column, None) for column in GROWTH}
                limit = _limit(finding.process.limit(name))
                nature = found.nature and str(found.nature.nature)
                own = {"step": found.unit, "resource": name, "limit": limit, "nature": nature}
                rows.append(known | who | own | {"slope_unit": f"{_UNITS[name]}/{found.unit}"})
    return _frame(rows, GROWTH, order={"verdict": list(Verdict)})


def causes(analysis: AnalysisResult) -> pd.DataFrame:
    """Return one row per process and candidate cause; the columns are those of CAUSES."""
    rows = [
        who
        | {
            "cause": cause.cause,
            "confidence": cause.confidence,
            "evidence": "; ".join(cause.evidence),
        }
        for who, finding in zip(_who(analysis), analysis.findings, strict=True)
        for cause in finding.causes
    ]
    return _frame(rows, CAUSES, order={"confidence": list(Confidence)})


def readings(path: str) -> pd.DataFrame:
    """Return one row per reading of the journal at ``path``; the columns are those of READINGS."""
    rows = [
        {name: getattr(record, name, None) for name in READINGS}
        | {"time": _nanoseconds(record.time)}
        | {f"{name}_limit": _limit(record.limits.get(name)) for name in USED_BY}
        for record in JournalFollower(path).finish()
        if isinstance(record, Reading)
    ]
    units = {name: "bytes" for name in READINGS if name.endswith("_bytes")}
    return _frame(rows, READINGS, units=units)


def _who(analysis: AnalysisResult) -> list[dict[str, Any]]:
    return [
        {
            "source": finding.process.source,
            "process": number,
            "pid": finding.process.pid,
            "rank": finding.process.rank,
        }
        for number, finding in enumerate(analysis.findings)
    ]


def _nanoseconds(seconds: float | None) -> int | None:
    """Round to microseconds: a float holds no more of the present time."""
    return None if seconds is None else round(seconds * 1e6) * 1000


def _limit(limit: Limit | None) -> float | None:
    if isinstance(limit, int):
        return float(limit)
    return float("inf") if limit is LimitState.UNLIMITED else None


def _frame(
    rows: list[dict[str, Any]],
    dtypes: Mapping[str, str],
    *,
    units: Mapping[str, str] | None = None,
    order: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Make a frame of ``dtypes``; ``order`` has the categories of a column, else as they appear."""
    try:
        import pandas as pd  # noqa: PLC0415 - see the module's text
    except ImportError as error:
        raise MissingExtraError("frames need pandas", extra="analyze") from error
    columns: dict[str, pd.Series[Any]] = {}
    for name, dtype in dtypes.items():
        values = [row[name] for row in rows]
        if dtype == _TIME:
            nanoseconds = pd.Series(values, dtype=_INTEGER)
            columns[name] = pd.to_datetime(nanoseconds, unit="ns", utc=True)
        elif dtype == _ORDERED:
            present = dict.fromkeys(str(value) for value in values if value is not None)
            categories = list(map(str, (order or {}).get(name, present)))
            texts = [None if value is None else str(value) for value in values]
            columns[name] = pd.Series(pd.Categorical(texts, categories=categories, ordered=True))
        else:
            columns[name] = pd.Series(values, dtype=dtype)
    frame = pd.DataFrame(columns)
    frame.attrs["units"] = dict(units or {})
    return frame
