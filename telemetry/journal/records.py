"""The journal: every record of a run, one JSON object a line, that survives however the run ends.

One ``write`` per record on an O_APPEND descriptor: once it has returned, the record is in the kernel
and outlives SIGABRT and SIGKILL, and records of two writers (the process and its runner) do not tear
each other, because the kernel appends under the inode's lock.

    {"kind": "header", "schema": 1, "host": "a", "boot_id": "...", "pid": 42, ...}
    {"kind": "checkpoint", "time": 1.5, "pid": 42, "label": "Fold 1/3 START", "threads": 36, ...}
    {"kind": "sample", ...}
    {"kind": "event", "time": 2.0, "pid": 42, "name": "exited", "exit_code": 0}
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.limits import USED_BY
from telemetry.reading import GpuUsage, LimitState, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Limit

SCHEMA = 1
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The writer, its host and its limits; the first record of each process."""

    time: float
    pid: int
    start_ticks: int | None
    host: str
    boot_id: str | None
    argv: tuple[str, ...]
    versions: Mapping[str, str]
    environment: Mapping[str, str]
    """The thread caps that were set: OMP_NUM_THREADS and the like."""
    ceilings: tuple[Mapping[str, Any], ...]
    """Every limit as `foldwatch limits --json` prints it."""
    rank: str = ""
    """Which of the run's processes it is, if the launcher says so."""
    pid_namespace: int | None = None
    """The inode of the PID namespace in which ``pid`` counts; None from a version that did not record it,
    nor the event ``interpreter_ended``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a process: ``started``, ``raised``, ``interpreter_ended``, ``exited``."""

    time: float
    pid: int
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Record: TypeAlias = Header | Reading | Event


def encode(record: Record) -> bytes:
    """Write a record as one line, newline included. Absent values are left out."""
    if isinstance(record, Reading):
        content = _reading_content(record)
    elif isinstance(record, Header):
        content = {"kind": "header", "schema": SCHEMA} | asdict(record)
    else:
        content = {**record.facts} | {
            "kind": "event",
            "time": record.time,
            "pid": record.pid,
            "name": record.name,
        }
    return _ENCODER.encode(content).encode() + b"\n"


_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _reading_content(reading: Reading) -> dict[str, Any]:
    content: dict[str, Any] = {"kind": "sample" if reading.label is None else "checkpoint"}
    for name in _READING_FIELDS:
        value = getattr(reading, name)
        if value is not None:
            content[name] = value
    for name in _COUNTS:
        value = getattr(reading, name)
        if value:
            content[name] = dict(value)
    if reading.gpus is not None:
        content["gpus"] = [_present(asdict(gpu)) for gpu in reading.gpus]
    content["limits"] = {
        name: limit.value if isinstance(limit, LimitState) else limit
        for name, limit in reading.limits.items()
    }
    if reading.errors:
        content["errors"] = dict(reading.errors)
    return content


_COUNTS = ("pools", "map_kinds", "pressure_seconds", "peaks")
_READING_FIELDS = tuple(
    part.name for part in fields(Reading) if part.name not in {"limits", "errors", "gpus", *_COUNTS}
)
_HEADER_FIELDS = tuple(part.name for part in fields(Header))
_GPU_NUMBERS = tuple(part.name for part in fields(GpuUsage) if part.name != "gpu")
_WHOLE_NUMBERS = frozenset(_READING_FIELDS) - {
    *("time", "label", "stage", "cgroup", "cpu_seconds", "is_exempt_from_nproc")
}


def decode(line: bytes) -> Record:
    """Read one line. Unknown keys are ignored. Raises ValueError with the reason."""
    try:
        content = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a whole JSON object: {error}") from error
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for a broken line
    try:
        return _record(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a {content.get('kind')} record without a valid {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _record(content: dict[str, Any]) -> Record:
    kind = content.pop("kind", None)
    if kind in {"checkpoint", "sample"}:
        return _reading(content)
    if kind == "header":
        if content.get("schema") != SCHEMA:
            raise ValueError(f"schema {content.get('schema')!r}, this version reads {SCHEMA}")
        header = Header(**{name: content[name] for name in _HEADER_FIELDS if name in content})
        for name in ("pid", "start_ticks", "pid_namespace"):
            if (value := getattr(header, name)) is not None:
                _check_count(name, value)
        return replace(header, argv=_texts("argv", header.argv))
    if kind == "event":
        when, pid, name = content.pop("time"), content.pop("pid"), content.pop("name")
        return Event(time=float(when), pid=int(pid), name=str(name), facts=content)
    raise ValueError(f"unknown kind {kind!r}")


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name} is no list of texts")
    return tuple(value)


def _reading(content: dict[str, Any]) -> Reading:
    known = {name: content[name] for name in _READING_FIELDS if content.get(name) is not None}
    for name in _WHOLE_NUMBERS & known.keys():
        _check_count(name, known[name])
    for name in {"label", "stage", "cgroup"} & known.keys():
        known[name] = str(known[name])
    for name in {"time", "cpu_seconds"} & content.keys():
        known[name] = _finite(name, float(content[name]))
    for name in _COUNTS:
        if name in content:
            known[name] = _counts(content[name])
    if "gpus" in content:
        known["gpus"] = tuple(map(_gpu, content["gpus"]))
    limits = {name: _limit(name, limit) for name, limit in content.get("limits", {}).items()}
    known["limits"] = {name: limits[name] for name in USED_BY if name in limits}
    errors = {str(source): str(why) for source, why in content.get("errors", {}).items()}
    return Reading(**known, errors=errors)


def _limit(name: str, limit: object) -> Limit:
    return _check_count(name, limit) if type(limit) is int else LimitState(limit)


def _check_count(name: str, value: object) -> int:
    """Return ``value`` if the kernel could have written it: a whole number of 64 bits."""
    if type(value) is not int or abs(value) > 2**64:
        raise ValueError(f"{name} is not a whole number of 64 bits")
    return value


def _counts(content: dict[str, Any]) -> dict[str, float]:
    for name, value in content.items():
        _check_number(name, value)
    return content


def _check_number(name: str, value: object) -> None:
    if type(value) is float:
        _finite(name, value)
    elif type(value) is not int or abs(value) > 2**64:
        raise ValueError(f"{name!r:.40} is not a number: {value!r:.40}")


def _finite(name: str, value: float) -> float:
    """Return ``value``, unless its text was of a number too large for one."""
    if not math.isfinite(value):
        raise ValueError(f"{name!r:.40} is not finite")
    return value


def _gpu(content: dict[str, Any]) -> GpuUsage:
    known = {name: content[name] for name in _GPU_NUMBERS if content.get(name) is not None}
    for name, value in known.items():
        _check_number(name, value)
    return GpuUsage(gpu=str(content["gpu"]), **known)


def _present(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}
