"""`SampleTimer`: takes a sample every so many seconds, in a thread that starts with the recorder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.own_thread import start_own_thread

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_SECONDS = 0.001
"""A timer under this would do nothing but read."""


class SampleTimer:
    """Calls ``sample`` from `begin` to `stop`; an interval that makes no sense is told, and is a second then."""

    def __init__(
        self,
        sample: Callable[[], object],
        interval_seconds: float,
        record_failure: Callable[[str, str], None],
    ) -> None:
        self._sample = sample
        self._record_failure = record_failure
        self._stop = threading.Event()
        is_number = isinstance(interval_seconds, int | float)
        if not is_number or not interval_seconds >= SHORTEST_SECONDS:
            words = f"an interval of {interval_seconds!r} seconds; 1 second is taken"
            record_failure("timer", words)
            interval_seconds = 1.0
        self._seconds = min(interval_seconds, threading.TIMEOUT_MAX)

    def begin(self) -> None:
        """Begin, in a thread of its own; one that was begun before, and interrupted meanwhile, ends."""
        self._stop.set()
        self._stop = stop = threading.Event()
        try:
            start_own_thread(lambda: self._run(stop), name="foldwatch-timer")
        except RuntimeError as error:
            pass_on(error)
            self._record_failure("timer", str(error))

    def stop(self) -> None:
        """Take no more."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._seconds):
            self._sample()
