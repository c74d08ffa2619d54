"""A collector for prometheus-client: one snapshot as metric families at each scrape.

prometheus-client is loaded when something is served, not when this module is; it escapes labels and
writes numbers itself.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

from telemetry.metrics.catalog import BASE_LABELS, METRICS
from telemetry.metrics.samples import encodable, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

    from telemetry.snapshot import Snapshot


class SnapshotCollector:
    """A collector for prometheus-client that renders one snapshot per scrape, and those of other ranks."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        others: Callable[[], Iterable[Snapshot]] = tuple,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._snapshot = snapshot
        self._others = others
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Give the families that have a value, in the order of METRICS."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - see the module's text

        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        now, snapshots = self._clock(), (self._snapshot(), *self._others())
        for sample in chain.from_iterable(samples(one, now=now) for one in snapshots):
            family = families.get(sample.name)
            if family is None:
                kind = METRICS[sample.name]
                make = CounterMetricFamily if kind.type == "counter" else GaugeMetricFamily
                family = make(sample.name, kind.help, labels=[*BASE_LABELS, *kind.labels])
                families[sample.name] = family
            family.add_metric([encodable(label) for label in sample.labels], sample.value)
        return [families[name] for name in METRICS if name in families]


def registry(
    snapshot: Callable[[], Snapshot], others: Callable[[], Iterable[Snapshot]] = tuple
) -> CollectorRegistry:
    """Return a registry of its own that holds only the snapshots' metrics."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see the module's text

    own = CollectorRegistry()
    own.register(SnapshotCollector(snapshot, others))
    return own
