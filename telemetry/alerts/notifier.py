"""`Notifier`: sends alerts by every sink, each with a thread and a queue of its own.

The caller is never blocked and gets no exception: an alert that cannot be sent is counted and logged
once. A sink that hangs keeps no other waiting.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple

from telemetry.alerts.sinks import REPEAT_SECONDS, Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.alerts.alert import Alert

QUEUE_LENGTH = 10_000
"""Of the alerts that wait for one sink: as many as all runs may begin within a minute."""
CLOSE_SECONDS = 3.0
SINK_ERRORS = (OSError, ValueError, HTTPException, RuntimeError, MemoryError)
"""What sending may fail with."""


class RunAgain(NamedTuple):
    """That a run goes on, in the queues of alerts."""

    directory: str


class Notifier:
    """Hands alerts to the sinks, in their order; their threads start with this object.

    Invariant: calling it returns at once. ``dropped`` and ``failed`` count the alerts that were not sent.
    """

    def __init__(self, sinks: Sequence[Sink], *, log: Callable[[str], None]) -> None:
        """Take the sinks, and the log for the first failure of each."""
        self._log = log
        self._queues = [_SinkQueue(sink, log) for sink in sinks]

    @property
    def dropped(self) -> int:
        """How often an alert found the queue of a sink full."""
        return sum(one.dropped for one in self._queues)

    @property
    def failed(self) -> dict[str, int]:
        """How many alerts each sink could not send, by its name."""
        found: dict[str, int] = {}
        for one in self._queues:
            if one.failed:
                found[one.sink.name] = found.get(one.sink.name, 0) + one.failed
        return found

    def __call__(self, alert: Alert) -> None:
        """Queue ``alert`` for every sink; where a queue is full, it is dropped and counted."""
        for one in self._queues:
            one.put(alert)

    def run_again(self, directory: str) -> None:
        """Queue for every sink that the run in ``directory`` goes on, after an earlier runner's."""
        for one in self._queues:
            one.put(RunAgain(directory))

    def close(self, *, deadline_seconds: float = CLOSE_SECONDS) -> None:
        """Wait for the queues to empty, but no longer than that; log how many alerts were not sent."""
        ends = time.monotonic() + deadline_seconds
        for one in self._queues:
            one.finish()
        for one in self._queues:
            one.join(ends)
        for one in self._queues:
            if unsent := one.unsent():
                self._log(
                    f"foldwatch: {unsent} alerts could not be sent in time by {one.sink.name}"
                )


class _SinkQueue:
    """One sink, its queue, and the thread that empties it."""

    def __init__(self, sink: Sink, log: Callable[[str], None]) -> None:
        self.sink = sink
        self.dropped = self.failed = 0
        self._log = log
        self._queue: queue.Queue[Alert | RunAgain | None] = queue.Queue(QUEUE_LENGTH)
        self._is_over = threading.Event()
        self._sending = 0
        name = f"foldwatch-alerts-{sink.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the run goes on without notices
            log(f"foldwatch: alerts will not be sent by {sink.name}: {error}")

    def put(self, alert: Alert | RunAgain) -> None:
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.dropped += 1

    def finish(self) -> None:
        """End the thread as soon as the queue is empty."""
        self._is_over.set()
        with contextlib.suppress(queue.Full):  # then it need not be woken
            self._queue.put_nowait(None)

    def join(self, ends: float) -> None:
        """Wait until ``ends``, of time.monotonic; then stop what is being sent."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, ends - time.monotonic()))
        if self._thread.is_alive():
            self.sink.stop()

    def unsent(self) -> int:
        """How many alerts were dropped, wait, or are being sent."""
        with self._queue.mutex:
            waiting = len([one for one in self._queue.queue if getattr(one, "is_watched", False)])
        return self.dropped + waiting + self._sending

    def _run(self) -> None:
        repeat_at, has_said_so = time.monotonic() + REPEAT_SECONDS, False
        while not (self._is_over.is_set() and self._queue.empty()):
            if time.monotonic() >= repeat_at:
                repeat_at = time.monotonic() + REPEAT_SECONDS
                self._attempt(self.sink.repeat)
            try:
                alert = self._queue.get(timeout=max(0.0, repeat_at - time.monotonic()))
            except queue.Empty:
                continue
            if alert is None:
                continue
            if self.dropped and not has_said_so:
                has_said_so = True
                words = "alerts come faster than they can be sent; some were dropped"
                self._log(f"foldwatch: {self.sink.name}: {words}")
            self._sending = 1
            self._attempt(partial(self._hand_over, alert))
            self._sending = 0

    def _hand_over(self, alert: Alert | RunAgain) -> None:
        if isinstance(alert, RunAgain):
            self.sink.run_again(alert.directory)
        elif not alert.is_watched:
            self.sink.forget(alert)
        elif alert.is_held and alert.ended is None:
            self.sink.hold(alert)
        else:
            self.sink.send(alert)

    def _attempt(self, send: Callable[[], None]) -> None:
        try:
            send()
        except SINK_ERRORS as error:
            self.failed += 1
            if self.failed == 1:
                words = "later failures are counted only"
                self._log(f"foldwatch: alert not sent by {self.sink.name}: {error}; {words}")
