"""`Notifier`: the thread that sends alerts, and its queue.

The caller is never blocked and gets no exception: an alert that cannot be sent is counted and logged
once.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING

from telemetry.alerts.sinks import REPEAT_SECONDS, Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.alerts.alert import Alert

QUEUE_LENGTH = 200


class Notifier:
    """Hands alerts to the sinks from one thread, which starts with this object.

    Invariant: calling it returns at once. ``dropped`` and ``failed`` count the alerts that were not sent.
    """

    def __init__(self, sinks: Sequence[Sink], *, log: Callable[[str], None]) -> None:
        """Take the sinks, and the log for the first failure of each."""
        self.dropped = 0
        self.failed: dict[str, int] = {}
        self._sinks = sinks
        self._log = log
        self._queue: queue.Queue[Alert | None] = queue.Queue(QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._run, name="foldwatch-alerts", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the run goes on without notices
            log(f"foldwatch: alerts will not be sent: {error}")

    def __call__(self, alert: Alert) -> None:
        """Queue ``alert``; if the queue is full, it is dropped and counted."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.dropped += 1

    def close(self, *, deadline_seconds: float = 5.0) -> None:
        """Wait for the queue to empty, but no longer than that; log how many alerts were not sent."""
        ends = time.monotonic() + deadline_seconds
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=deadline_seconds)
        if self._thread.is_alive():
            self._thread.join(max(0.0, ends - time.monotonic()))
        if self._thread.is_alive():
            for sink in self._sinks:
                sink.stop()
        unsent = self.dropped + (self._queue.qsize() if self._thread.is_alive() else 0)
        if unsent:
            self._log(f"foldwatch: {unsent} alerts could not be sent in time")

    def _run(self) -> None:
        repeat_at, has_said_so = time.monotonic() + REPEAT_SECONDS, False
        while True:
            try:
                alert = self._queue.get(timeout=max(0.0, repeat_at - time.monotonic()))
            except queue.Empty:
                repeat_at = time.monotonic() + REPEAT_SECONDS
                for sink in self._sinks:
                    self._attempt(sink, sink.repeat)
                continue
            if alert is None:
                return
            if self.dropped and not has_said_so:
                has_said_so = True
                self._log("foldwatch: alerts come faster than they can be sent; some were dropped")
            for sink in self._sinks:
                self._attempt(sink, lambda sink=sink, alert=alert: sink.send(alert))  # type: ignore[misc] # mypy has no type for a lambda's defaults

    def _attempt(self, sink: Sink, send: Callable[[], None]) -> None:
        try:
            send()
        except (OSError, ValueError, HTTPException, RuntimeError, MemoryError) as error:
            self.failed[sink.name] = self.failed.get(sink.name, 0) + 1
            if self.failed[sink.name] == 1:
                words = "later failures are counted only"
                self._log(f"foldwatch: alert not sent by {sink.name}: {error}; {words}")
