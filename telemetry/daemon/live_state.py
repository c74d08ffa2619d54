"""`LiveState`: the state that scrapes and the page show: one thread publishes it, any thread reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from telemetry.daemon.history import History
from telemetry.metrics.exposition import Exposition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from telemetry.alerts.alert import Alert
    from telemetry.snapshot import RunKey, Snapshot


class LiveState:
    """Holds the snapshots published last, their text for a scrape, and their curves."""

    def __init__(
        self,
        *,
        alerts: Callable[[], Sequence[Alert]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.alerts = alerts
        self.clock = clock
        self.exposition = Exposition()
        self.snapshots: Sequence[Snapshot] = ()
        self.histories: Mapping[RunKey, History] = {}
        self.published_at = clock()
        self.publications = 0

    def publish(
        self,
        snapshots: Sequence[Snapshot],
        histories: Mapping[RunKey, History] | None = None,
    ) -> None:
        """Publish ``snapshots``; without ``histories``, their curves are collected from them."""
        now = self.clock()
        snapshots = tuple(snapshots)
        self.exposition.publish(snapshots, now=now)
        if histories is None:
            histories = {one.key: self.histories.get(one.key) or History() for one in snapshots}
            for one in snapshots:
                histories[one.key].take(one)
        self.histories = histories
        self.snapshots = snapshots
        self.published_at = now
        self.publications += 1
