"""`exporting`: from the option of a command to what pushes a run's metrics and log records.

It belongs to what watches a training: runner, agent and daemon. An exporter inside the training would be of the threads
and the memory that are looked for.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telemetry.alerts.dispatch import to_stderr
from telemetry.errors import MissingExtraError
from telemetry.otlp.log_records import INFO, WARNING, LogEntry, LogSource, alert_entry
from telemetry.otlp.metric_requests import MetricSource
from telemetry.otlp.pusher import CLOSE_SECONDS, LATER, Pusher
from telemetry.otlp.settings import OPTION, OtlpSettings, read_settings
from telemetry.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.alerts.alert import Alert

LOGS_SECONDS = 2.0
"""Between two looks for another verdict."""


class OtlpExport:
    """Pushes what `watch` names, and what it is told.

    Invariant: no method but `close` waits, and none raises; `close` takes CLOSE_SECONDS at most.
    """

    def __init__(self, settings: OtlpSettings, *, log: Callable[[str], None]) -> None:
        """Start a thread for each signal that goes anywhere."""
        self._snapshots: Callable[[], Sequence[Snapshot]] = tuple
        self._logs: LogSource | None = None
        self._pushers: list[Pusher] = []
        if endpoint := settings.endpoints.get("metrics"):
            points = MetricSource(self._watched, settings.resource)
            wake, interval = threading.Event(), settings.interval
            self._pushers.append(Pusher(points, endpoint, log=log, interval=interval, wake=wake))
        if endpoint := settings.endpoints.get("logs"):
            self._logs = LogSource(self._watched, settings.resource)
            wake, interval = self._logs.filled, LOGS_SECONDS
            self._pushers.append(
                Pusher(self._logs, endpoint, log=log, interval=interval, wake=wake)
            )

    def watch(self, snapshots: Callable[[], Sequence[Snapshot]]) -> None:
        """Export what ``snapshots`` gives from now on; it is called in the threads of this object."""
        if self._pushers:
            self._snapshots = snapshots

    def alert(self, alert: Alert) -> None:
        """Tell of an alert that begins, ends, or is held."""
        entry = alert_entry(alert, now=time.time())
        if self._logs is not None and entry is not None:
            self._logs.put(entry)

    def verdict(self, words: str, *, is_alarming: bool) -> None:
        """Tell the verdict on what was watched, in the words that a person gets."""
        snapshots = self._watched()
        if self._logs is not None and snapshots:
            entry = LogEntry(
                event="foldwatch.verdict",
                run=snapshots[0].run,
                host=snapshots[0].host,
                time=time.time(),
                severity=WARNING if is_alarming else INFO,
                text=words,
            )
            self._logs.put(entry)

    def close(self) -> None:
        """Send what there is, for CLOSE_SECONDS at most, and log what could not be sent."""
        ends = time.monotonic() + CLOSE_SECONDS
        for pusher in self._pushers:
            pusher.finish()
        for pusher in self._pushers:
            pusher.join(ends)

    def _watched(self) -> Sequence[Snapshot]:
        return self._snapshots()


NO_EXPORT = OtlpExport(OtlpSettings(endpoints={}), log=lambda _: None)
"""Sends nothing, and has no thread."""


@contextmanager
def exporting(
    option: str | None, *, log: Callable[[str], None] | None = None
) -> Iterator[OtlpExport]:
    """Export as ``option`` says, or not at all without one; what is still to be sent at the end is sent within seconds.

    Args:
        option: See `read_settings`.
        log: For what cannot be sent; standard error by default.

    Raises:
        MissingExtraError: The extra ``otlp`` is not installed.
        InputError: Something in the settings cannot be used.
    """
    if not option:
        yield NO_EXPORT
        return
    export = OtlpExport(_settings(option), log=log or to_stderr)
    try:
        yield export
    finally:
        export.close()


def try_out(option: str) -> list[tuple[str, str | None]]:
    """Send the metrics of a run called ``test``, and a log record that says it is one; raises as `exporting`.

    Returns:
        By option and signal, why it was not sent, or None.
    """
    settings, said = _settings(option), list[str]()
    if not settings.endpoints:
        return [
            (OPTION, "OTEL_SDK_DISABLED or OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER say no")
        ]
    export = OtlpExport(settings, log=said.append)
    host = socket.gethostname()
    export.watch(lambda: [Snapshot(run="test", host=host)])
    export.verdict("this is a test of how foldwatch exports: nothing is wrong", is_alarming=False)
    export.close()
    begins = {signal: f"foldwatch: OTLP {signal}: " for signal in settings.endpoints}
    why = {
        signal: [line.removeprefix(begin) for line in said if line.startswith(begin)]
        for signal, begin in begins.items()
    }
    return [
        (f"{OPTION} ({signal})", lines[0].removesuffix(LATER) if lines else None)
        for signal, lines in why.items()
    ]


def _settings(option: str) -> OtlpSettings:
    try:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(f"{OPTION} needs opentelemetry-proto", extra="otlp") from error
    return read_settings(option, os.environ)
