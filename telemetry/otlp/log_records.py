"""`LogSource`: what is told once: alerts, verdicts and failures, as requests of OTLP's logs service."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from telemetry.alerts.alert import FAILURES, Severity
from telemetry.metrics.samples import encodable
from telemetry.otlp.batch import Batch
from telemetry.otlp.names import FOLD, LIMIT, RANK, RESOURCE
from telemetry.otlp.resource import (
    LONGEST_TEXT,
    SCOPE,
    put_attributes,
    resource_attributes,
    version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from telemetry.alerts.alert import Alert
    from telemetry.snapshot import GrowthSnapshot, Snapshot

QUEUE_LENGTH = 10_000
RECORDS_PER_REQUEST = 500
INFO, WARNING, ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
"""Severities by OpenTelemetry's numbers and short names."""
_OF_LABELS = {"fold": FOLD, "rank": RANK, "ceiling": LIMIT, "resource": RESOURCE}
_OF_A_VERDICT = {"growing": WARNING, "critical": ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One record."""

    event: str
    run: str
    host: str
    time: float
    """Of what it tells, in seconds since the epoch."""
    severity: tuple[int, str]
    text: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class LogSource:
    """A bounded queue of records, which any thread fills and one empties; that one looks for other verdicts, too."""

    noun = "log records"

    def __init__(
        self,
        watched: Callable[[], Sequence[Snapshot]],
        given: Mapping[str, str],
        *,
        length: int = QUEUE_LENGTH,
    ) -> None:
        """Take where the snapshots come from, the user's resource attributes, and how many records may wait."""
        self.dropped = 0
        self.filled = threading.Event()
        self._watched, self._given, self._length = watched, given, length
        self._growth = ToldGrowth()
        self._queue: deque[LogEntry] = deque()

    def put(self, entry: LogEntry) -> None:
        """Queue a record; if the queue is full, it is counted instead. Never waits."""
        if len(self._queue) >= self._length:
            self.dropped += 1
        else:
            self._queue.append(entry)
            self.filled.set()

    def waiting(self) -> int:
        """Return how many are queued."""
        return len(self._queue)

    def batches(self) -> Iterator[Batch]:
        """Give what is queued; what is not settled stays so."""
        for entry in self._growth.entries(self._watched(), now=time.time()):
            self.put(entry)
        while self._queue:
            count = min(len(self._queue), RECORDS_PER_REQUEST)
            entries = [self._queue[place] for place in range(count)]  # others append meanwhile

            def settle(_: bool, count: int = count) -> None:  # noqa: FBT001 - as Batch has it
                for _one in range(count):
                    self._queue.popleft()

            yield Batch(_request_of(entries, self._given), len(entries), settle)


def alert_entry(alert: Alert, *, now: float) -> LogEntry | None:
    """Return what is told of an alert; None where there is nothing to tell: what failed has failed, watched or not."""
    if not alert.is_watched and alert.name in FAILURES:
        return None
    state, severity = "firing", WARNING if alert.severity is Severity.WARNING else ERROR
    if not alert.is_watched:
        state, severity = "no longer watched", INFO
    elif alert.ended is not None:
        state, severity = "resolved", INFO
    elif alert.is_held:
        state = "held"
    labels = {name: text for name, text in alert.labels.items() if name not in {"run", "host"}}
    began_or_ended = alert.began if state == "firing" else alert.ended
    return LogEntry(
        event="foldwatch.alert",
        run=alert.labels.get("run", ""),
        host=alert.labels.get("host", ""),
        time=now if began_or_ended is None else began_or_ended,
        severity=severity,
        text=alert.summary,
        attributes={
            "foldwatch.alert.name": alert.name,
            "foldwatch.alert.state": state,
            "foldwatch.alert.severity": alert.severity,
            "foldwatch.alert.description": alert.description,
            **{_OF_LABELS.get(n, f"foldwatch.alert.{n}"): text for n, text in labels.items()},
            **{f"foldwatch.alert.{name}": text for name, text in alert.facts.items()},
        },
    )


class ToldGrowth:
    """Which verdict on each resource was told last."""

    def __init__(self) -> None:
        self._told: dict[tuple[object, ...], str] = {}

    def entries(self, snapshots: Sequence[Snapshot], *, now: float) -> list[LogEntry]:
        """Return a record for each verdict that is another one than before; the first, if it says something."""
        found: list[LogEntry] = []
        present: dict[tuple[object, ...], str] = {}
        for snapshot in snapshots:
            for growth in snapshot.growth:
                key = (*snapshot.key, growth.resource, growth.child)
                present[key] = growth.verdict
                if growth.verdict != self._told.get(key, "inconclusive"):
                    found.append(_growth_entry(snapshot, growth, now))
        self._told = present
        return found


def _growth_entry(snapshot: Snapshot, growth: GrowthSnapshot, now: float) -> LogEntry:
    per_fold = "" if growth.per_fold is None else f"{growth.per_fold:g}"
    left = "" if growth.folds_to_limit is None else f"{growth.folds_to_limit:g}"
    of_child = f" of {growth.child}" if growth.child else ""
    return LogEntry(
        event="foldwatch.growth",
        run=snapshot.run,
        host=snapshot.host,
        time=now,
        severity=_OF_A_VERDICT.get(growth.verdict, INFO),
        text=f"{growth.resource}{of_child}: {growth.verdict}; {growth.reason}",
        attributes={
            RANK: snapshot.rank,
            RESOURCE: growth.resource,
            "foldwatch.child": growth.child,
            "foldwatch.growth.verdict": growth.verdict,
            "foldwatch.growth.per_fold": per_fold,
            "foldwatch.growth.folds_left": left,
        },
    )


def _request_of(entries: Iterable[LogEntry], given: Mapping[str, str]) -> bytes:
    # Here, because the extra may be missing where this module is loaded.
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415

    request = logs_service_pb2.ExportLogsServiceRequest()
    scopes: dict[tuple[str, str], Any] = {}
    for entry in entries:
        place = entry.run, entry.host
        if place not in scopes:
            of_run = request.resource_logs.add()
            put_attributes(of_run.resource.attributes, resource_attributes(*place, given).items())
            scopes[place] = of_run.scope_logs.add()
            scopes[place].scope.name, scopes[place].scope.version = SCOPE, version()
        record = scopes[place].log_records.add()
        record.time_unix_nano = max(0, int(entry.time * 1e9))
        record.observed_time_unix_nano = time.time_ns()
        record.severity_number, record.severity_text = entry.severity
        record.body.string_value = encodable(entry.text[:LONGEST_TEXT])
        record.event_name = entry.event
        put_attributes(record.attributes, entry.attributes.items())
    content: bytes = request.SerializeToString()
    return content
