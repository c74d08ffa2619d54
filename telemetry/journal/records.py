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
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from telemetry.journal import typed
from telemetry.limits import USED_BY
from telemetry.reading import CHILDREN_KEPT, ChildUsage, GpuUsage, LimitState, Reading, short_role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Limit

SCHEMA = 1
MEBIBYTE = 2**20
LONGEST_LINE = 4 * MEBIBYTE
"""A header with the longest argument list that the kernel takes fits in half of it."""


RECORDED_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Environment variables that cap thread pools; headers record their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A process, its host and its limits, before its readings: by itself, by what launched it, or by both."""

    time: float
    pid: int
    start_ticks: int | None = None
    host: str
    boot_id: str | None = None
    argv: tuple[str, ...]
    versions: Mapping[str, str]
    """Of the interpreter, the kernel and what is imported; empty from what launched it, which cannot know them."""
    environment: Mapping[str, str]
    """Those of `RECORDED_CAPS` that were set."""
    ceilings: tuple[Mapping[str, Any], ...]
    """Every limit as `foldwatch limits --json` prints it; empty from what launched it."""
    rank: str = ""
    """Which of the run's processes it is, if the launcher says so: see `telemetry.rank`."""
    local_rank: int | None = None
    """Its rank on its host."""
    world_size: int | None = None
    """How many ranks the run has."""
    rank_origin: str = ""
    """The environment variable that names its rank."""
    pid_namespace: int | None = None
    """The inode of the PID namespace in which ``pid`` counts; None from a version that did not record it,
    nor the event ``interpreter_ended``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a process: ``started``, ``raised``, ``settled``, ``interpreter_ended``, ``exited``, ..."""

    time: float
    pid: int
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


NATIVE_THREADS = "native_threads"
"""The event of what started the native threads of a process: written by what supervises it."""

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
    if reading.children is not None:
        content["children"] = [
            _present(asdict(child)) | {"limits": _limit_content(child.limits)}
            for child in reading.children
        ]
    content["limits"] = _limit_content(reading.limits)
    if reading.errors:
        content["errors"] = dict(reading.errors)
    return content


def _limit_content(limits: Mapping[str, Limit]) -> dict[str, int | str]:
    return {
        name: limit.value if isinstance(limit, LimitState) else limit
        for name, limit in limits.items()
    }


_COUNTS = ("pools", "map_kinds", "pressure_seconds", "peaks")
_READING_FIELDS = tuple(
    part.name
    for part in fields(Reading)
    if part.name not in {"limits", "errors", "gpus", "children", *_COUNTS}
)


def decode(line: bytes) -> Record:
    """Read one line. Unknown keys are ignored. Raises ValueError with the reason."""
    content = typed.load(line)
    kind = content.get("kind")
    if kind in ("checkpoint", "sample"):
        return _whole(Reading, content)
    if kind == "header":
        if content.get("schema") != SCHEMA:
            raise ValueError(f"schema {content.get('schema')!r:.40}, this version reads {SCHEMA}")
        return _whole(Header, content)
    if kind == "event":
        facts = {name: content[name] for name in content.keys() - {"kind", *_EVENT}}
        event = _whole(Event, content | {"facts": facts})
        typed.fields_of(facts, _FACTS.get(event.name, {}))
        return event
    raise ValueError(f"unknown kind {kind!r:.40}")


R = TypeVar("R", Header, Reading, Event, GpuUsage, ChildUsage)


def _whole(kind: type[R], content: Mapping[str, Any]) -> R:
    known = typed.fields_of(content, CHECKS[kind])
    if missing := _NEEDED[kind] - known.keys():
        raise ValueError(f"a record without {', '.join(sorted(missing))}")
    return kind(**known)


_STATES = {state.value: state for state in LimitState}


def _limits(name: str, value: object) -> dict[str, Limit]:
    limits: dict[str, Limit] = {}
    for limit, found in typed.mapping(name, value).items():
        if limit not in USED_BY:
            continue
        if type(found) is int:
            limits[limit] = typed.whole(limit, found)
        elif type(found) is str and found in _STATES:
            limits[limit] = _STATES[found]
        else:
            raise ValueError(
                f"limit {limit}: {found!r:.40} is neither a number nor a word for none"
            )
    return limits


def _gpu(name: str, value: object) -> GpuUsage:
    return _whole(GpuUsage, typed.mapping(name, value))


def _children(name: str, value: object) -> tuple[ChildUsage, ...]:
    """Check the children of a reading, and keep as many as are ever written."""
    if type(value) is not list:
        raise ValueError(f"{name:.40} is not a list")
    return tuple(_child(typed.mapping(name, one)) for one in value[:CHILDREN_KEPT])


def _child(content: Mapping[str, Any]) -> ChildUsage:
    child = _whole(ChildUsage, content)
    role = short_role(child.role)
    return child if role == child.role else replace(child, role=role)


_CHECK_OF: Mapping[str, typed.Check] = {
    "int": typed.whole,
    "float": typed.number,
    "str": typed.text,
    "bool": typed.flag,
    "Mapping[str, int]": typed.mapping_of(typed.whole),
    "Mapping[str, float]": typed.mapping_of(typed.number),
    "Mapping[str, str]": typed.mapping_of(typed.text),
    "Mapping[str, Any]": typed.mapping_of(typed.plain),
    "Mapping[str, Limit]": _limits,
    "tuple[str, ...]": typed.tuple_of(typed.text),
    "tuple[Mapping[str, Any], ...]": typed.tuple_of(typed.mapping_of(typed.plain)),
    "tuple[GpuUsage, ...]": typed.tuple_of(_gpu),
    "tuple[ChildUsage, ...]": _children,
}
_KINDS = (Header, Reading, Event, GpuUsage, ChildUsage)
CHECKS: Mapping[type, Mapping[str, typed.Check]] = {
    kind: {
        part.name: typed.moment
        if part.name == "time"
        else _CHECK_OF[str(part.type).removesuffix(" | None")]
        for part in fields(kind)
    }
    for kind in _KINDS
}
"""By type of record and field, what a value in a file has to pass; from the fields' types."""
_NEEDED = {
    kind: {
        part.name
        for part in fields(kind)
        if part.default is MISSING and part.default_factory is MISSING
    }
    for kind in _KINDS
}
_EVENT = ("time", "pid", "name")


_COUNTERS = ("pids_limit_hits", "oom_kills", "cgroup_memory_peak_bytes")
_FACTS: Mapping[str, Mapping[str, typed.Check]] = {
    "exited": {
        "exit_code": typed.exit_code,
        "program_exit_code": typed.exit_code,
        "signal": typed.text,
        "cgroup": typed.text,
        **{f"{name}{end}": typed.whole for name in _COUNTERS for end in ("", "_before")},
        "sees_every_pids_level": typed.flag,
        "sees_every_memory_level": typed.flag,
    },
    "raised": dict.fromkeys(("exception", "message", "frame"), typed.text),
    "settled": {
        "before": typed.mapping_of(typed.whole),
        "after": typed.mapping_of(typed.whole),
        "allocator": typed.text,
        "own_pools": typed.tuple_of(typed.text),
        "maps": typed.mapping_of(typed.whole),
        "descriptors": typed.mapping_of(typed.whole),
        "tree": typed.mapping_of(typed.whole),
        "fold": typed.whole,
        "folds": typed.whole,
        "seconds": typed.seconds,
    },
}
"""By event, the facts that something is concluded from; others are the user's own."""


def _present(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}
