"""The journal: every record of a run, one JSON object a line, that survives how the run ends.

Owns the file format, both directions. One `write` per record on an O_APPEND descriptor: once it has
returned, the record is in the kernel and outlives SIGABRT and SIGKILL, and records of two writers
(the process and its runner) do not tear each other (the kernel appends under the inode's lock). It
must not know what a record is for.

    {"kind": "header", "schema": 1, "host": "a", "boot_id": "...", "pid": 42, ...}
    {"kind": "checkpoint", "time": 1.5, "pid": 42, "label": "Fold 1/3 START", "threads": 36, ...}
    {"kind": "sample", ...}
    {"kind": "event", "time": 2.0, "pid": 42, "name": "exited", "exit_code": 0}
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.reading import USED_BY_CEILING, GpuUsage, LimitState, Reading
from telemetry.regular_file import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO

    from telemetry.reading import Limit

SCHEMA = 1
FILE_NAME = "journal.jsonl"
MEBIBYTE = 2**20
CHUNK_BYTES = 256 * 2**10
HEAD_BYTES = 256
"""Of a header or a reading: its time and its process are in them."""
LONGEST_LINE = 4 * MEBIBYTE
"""A header with the longest argument list that the kernel takes fits in half of it."""
SKIPPED_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Who writes, where, and under which limits; the first record of each process."""

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
    """Every ceiling as `foldwatch limits --json` prints it."""
    rank: str = ""
    """Which of the run's processes it is, where the launcher says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a process: ``started``, ``exited``."""

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
        return Header(**{name: content[name] for name in _HEADER_FIELDS if name in content})
    if kind == "event":
        when, pid, name = content.pop("time"), content.pop("pid"), content.pop("name")
        return Event(time=float(when), pid=int(pid), name=str(name), facts=content)
    raise ValueError(f"unknown kind {kind!r}")


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
    known["limits"] = {name: limits[name] for name in USED_BY_CEILING if name in limits}
    errors = {str(source): str(why) for source, why in content.get("errors", {}).items()}
    return Reading(**known, errors=errors)


def _limit(name: str, limit: object) -> Limit:
    return _check_count(name, limit) if type(limit) is int else LimitState(limit)


def _check_count(name: str, value: object) -> int:
    """Return ``value`` where the kernel could have said it: a whole number of 64 bits."""
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


class JournalWriter:
    """Appends records to one file.

    Invariant: a record is counted as written only when the kernel took all of it. `write` raises
    OSError for the caller to count; the next write starts a line of its own after a torn one.
    """

    def __init__(self, path: str) -> None:
        """Open ``path`` for appending, folders made as needed. Raises OSError."""
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.path = path
        self._descriptor = self._open()
        self._is_torn = self._ends_torn()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self.path, flags, 0o644)

    def _ends_torn(self) -> bool:
        """Whether an earlier writer left a line without its newline: ours must not be glued to it."""
        size = os.fstat(self._descriptor).st_size
        return size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"

    def write(self, record: Record) -> None:
        """Append ``record`` in one write. Raises OSError; part of it may then be in the file.

        Where the file was deleted, a new one is begun with this record, and OSError says so once.
        """
        if os.fstat(self._descriptor).st_nlink == 0:
            deleted, self._descriptor = self._descriptor, self._open()
            os.close(deleted)
            self._append(record)
            raise FileNotFoundError(f"{self.path} was deleted; a new journal was begun")
        self._append(record)

    def _append(self, record: Record) -> None:
        line = encode(record)
        if self._is_torn:
            line = b"\n" + line
        self._is_torn = True
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")
        self._is_torn = False

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that could not be used: its number in the file, from 1, and the reason."""

    line: int
    reason: str


class JournalFollower:
    """Reads a journal that is being written, as ``tail -F`` does.

    Invariants: only whole lines are taken, a last line without its newline waits for the next poll;
    and what is held is bounded whatever the file holds: LONGEST_LINE of a line, SKIPPED_KEPT reasons.
    A file that was deleted, cut, or replaced by another one is read anew from its start, and
    ``restarts`` counts it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines = 0
        self.skipped: list[SkippedLine] = []
        """Whole lines that could not be decoded; the first SKIPPED_KEPT of them."""
        self.more_skipped = 0
        self.restarts = 0
        self._begin()

    def _begin(self) -> None:
        self.lines = self.more_skipped = self._offset = 0
        self.skipped = []
        self._head = self._rest = b""
        self._is_overlong = False
        self._seen: tuple[int, int] | None = None
        """Size and time of change of a file that was read to its end."""

    def poll(self, *, until: float = math.inf) -> list[Record]:
        """Return the records that came since the last poll; none while the file is missing.

        Nothing more is begun at ``until``, of time.monotonic; the next poll goes on from there.
        Raises OSError where the file is there and cannot be read, or is no regular one.
        """
        try:
            found = os.stat(self.path)
            if (found.st_size, found.st_mtime_ns) == self._seen:
                return []
            with open_regular(self.path) as file:
                records = self._read(file, until)
        except FileNotFoundError:
            if self._offset:
                self._restart()
            return []
        is_whole = self._offset == found.st_size
        self._seen = (found.st_size, found.st_mtime_ns) if is_whole else None
        return records

    def finish(self) -> list[Record]:
        """Read to the end: what is there without a newline was torn by a crash or a full disk."""
        records = self.poll()
        if not os.path.exists(self.path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        rest, self._rest = self._rest, b""
        if rest or self._is_overlong:
            records += self._decode(rest)
        return records

    def _read(self, file: FileIO, until: float) -> list[Record]:
        if not self._is_same(file):
            self._restart()
        records: list[Record] = []
        file.seek(self._offset)
        while time.monotonic() < until and (chunk := file.read(CHUNK_BYTES)):
            if len(self._head) < HEAD_BYTES:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
            self._offset += len(chunk)
            records += self._take(chunk)
        return records

    def _is_same(self, file: FileIO) -> bool:
        """Whether the file is the one read so far: as long at least, and with the same first bytes.

        Not by its inode: file systems give a deleted file's number to the next new one.
        """
        if os.fstat(file.fileno()).st_size < self._offset:
            return False
        return os.pread(file.fileno(), len(self._head), 0) == self._head

    def _restart(self) -> None:
        self._begin()
        self.restarts += 1

    def _take(self, chunk: bytes) -> list[Record]:
        whole, newline, rest = chunk.rpartition(b"\n")
        records = self._decode(self._rest + whole) if newline else []
        self._rest = rest if newline else self._rest + rest
        if len(self._rest) > LONGEST_LINE:
            self._rest, self._is_overlong = b"", True
        return records

    def _decode(self, content: bytes) -> list[Record]:
        records = []
        for line in content.split(b"\n"):
            self.lines += 1
            if self._is_overlong:
                self._is_overlong = False
                self._skip(f"longer than {LONGEST_LINE // MEBIBYTE} MiB")
            elif line.strip(b"\0 \t"):
                try:
                    records.append(decode(line))
                except ValueError as error:
                    self._skip(str(error))
        return records

    def _skip(self, reason: str) -> None:
        if len(self.skipped) < SKIPPED_KEPT:
            self.skipped.append(SkippedLine(self.lines, reason[:200]))
        else:
            self.more_skipped += 1
