"""`MetricSource`: the present snapshots as requests of OTLP's metrics service.

The numbers are the samples that /metrics is rendered from. A value that is absent has no point, nor has a limit that is none.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from telemetry.metrics.catalog import BASE_LABELS, METRICS
from telemetry.metrics.samples import encodable, fold_samples, progress_samples, run_samples
from telemetry.metrics.series_budget import FoldSeries, SeriesBudget, precedence
from telemetry.otlp.batch import Batch
from telemetry.otlp.names import FOLD, RANK, OtlpMetric, otlp_metric
from telemetry.otlp.resource import SCOPE, put_attributes, resource_attributes, version
from telemetry.otlp.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from telemetry.metrics.samples import MetricSample
    from telemetry.otlp.streams import Stream, StreamKey
    from telemetry.snapshot import FoldSnapshot, RunKey, Snapshot

logger = logging.getLogger("foldwatch")

POINTS_PER_REQUEST = 5_000
"""About a megabyte before compression; receivers refuse what is larger than a few."""
_INT64 = 2**63


class _Point(NamedTuple):
    """A value of a series, and the process that it is of."""

    metric: OtlpMetric
    help: str
    attributes: tuple[tuple[str, str], ...]
    value: float
    owner: object


class MetricSource:
    """Makes requests of the snapshots that ``watched`` gives; for one thread."""

    noun = "data points"
    dropped = 0

    def __init__(
        self,
        watched: Callable[[], Sequence[Snapshot]],
        given: Mapping[str, str],
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take where the snapshots come from, the user's resource attributes, and the clock."""
        self._watched, self._given, self._clock = watched, given, clock
        self._streams = Streams()
        self._failed: set[RunKey] = set()

    def waiting(self) -> int:
        """There is no queue: each push has the values of its own time."""
        return 0

    def batches(self) -> Iterator[Batch]:
        """Give the requests of this moment."""
        now = self._clock()
        self._streams.begin(now)
        seen: set[StreamKey] = set()
        request = _MetricRequest(self._given, now)
        for snapshot, owner, sample in self._samples(now / 1e9):
            point = _point_of(sample, owner)
            if point is None:
                continue
            key = (snapshot.run, snapshot.host, point.metric.name, point.attributes)
            if key in seen:  # two labels that UTF-8 has no bytes for are one there
                continue
            seen.add(key)
            stream = None
            if point.metric.kind != "gauge":
                is_counter = point.metric.kind == "counter"
                stream = self._streams.next(key, point.value, owner, is_monotonic=is_counter)
            request.add(snapshot, key, point, stream)
            if request.count >= POINTS_PER_REQUEST:
                yield self._batch(request)
                request = _MetricRequest(self._given, now)
        if request.count:
            yield self._batch(request)
        self._streams.keep(seen)

    def _batch(self, request: _MetricRequest) -> Batch:
        def settle(is_accepted: bool) -> None:  # noqa: FBT001 - as Batch has it
            if is_accepted:
                self._streams.accept(request.streams.items())

        return Batch(request.content(), request.count, settle)

    def _samples(self, now: float) -> Iterator[tuple[Snapshot, object, MetricSample]]:
        """Give the samples of every run, within the bounds of /metrics; each with the process that it is of."""
        folds: list[tuple[Snapshot, FoldSnapshot, list[MetricSample]]] = []
        for snapshot in self._watched():
            try:
                own = [*run_samples(snapshot)]
                found = [(snapshot, one, _of_fold(snapshot, one, now)) for one in snapshot.folds]
            except Exception:
                if snapshot.key not in self._failed:
                    logger.exception("foldwatch: run %r cannot be exported", snapshot.run)
                self._failed.add(snapshot.key)
                continue
            folds += found
            for sample in own:
                yield snapshot, None, sample
        budget = SeriesBudget(
            [
                FoldSeries(precedence(one), snapshot.key, one.label, len(samples))
                for snapshot, one, samples in folds
            ]
        )
        for snapshot, one, samples in folds:
            if not budget.left_out[snapshot.key] or (snapshot.key, one.label) in budget.kept:
                latest = one.latest
                owner = None if latest is None else (latest.pid, latest.start_ticks)
                for sample in samples:
                    yield snapshot, owner, sample


def _of_fold(snapshot: Snapshot, one: FoldSnapshot, now: float) -> list[MetricSample]:
    is_live = one.is_live(now)
    return [
        *fold_samples(one, snapshot.key, is_live=is_live),
        *progress_samples(one, snapshot, is_live=is_live),
    ]


def _point_of(sample: MetricSample, owner: object) -> _Point | None:
    """Return a sample as a point; None if OTLP says it elsewhere, or it is no number that it could have."""
    base, own = sample.labels[: len(BASE_LABELS)], sample.labels[len(BASE_LABELS) :]
    metric = otlp_metric(sample.name, own)
    value = None if metric is None else _number(sample.value, is_whole=metric.is_whole)
    if metric is None or value is None:
        return None
    named = dict(zip(BASE_LABELS, base, strict=True))
    attributes = (
        (FOLD, named["fold"]),
        (RANK, named["rank"]),
        *zip(metric.attributes, own, strict=True),
        *metric.fixed,
    )
    known = tuple((name, encodable(text)) for name, text in attributes if text)
    return _Point(metric, METRICS[sample.name].help, known, value, owner)


def _number(value: float, *, is_whole: bool) -> float | None:
    """Return a value as OTLP has it; None for one that is not finite, as of a limit that is none."""
    if not -_INT64 < value < _INT64 or math.isnan(value):
        return None
    return int(value) if is_whole else float(value)


class _MetricRequest:
    """A request in the making."""

    def __init__(self, given: Mapping[str, str], now: int) -> None:
        # Here, because the extra may be missing where this module is loaded.
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415

        self._message = metrics_service_pb2.ExportMetricsServiceRequest()
        self._given, self._now = given, now
        self._scopes: dict[tuple[str, str], Any] = {}
        self._points: dict[tuple[object, ...], Any] = {}
        self.streams: dict[StreamKey, Stream] = {}
        self.count = 0

    def add(self, snapshot: Snapshot, key: StreamKey, point: _Point, stream: Stream | None) -> None:
        """Append a point."""
        one = self._points_of(snapshot, point).add()
        put_attributes(one.attributes, point.attributes)
        one.time_unix_nano = self._now
        if stream is not None:
            one.start_time_unix_nano = stream.start
            self.streams[key] = stream
        if isinstance(point.value, int):
            one.as_int = point.value
        else:
            one.as_double = point.value
        self.count += 1

    def content(self) -> bytes:
        """Return it as bytes."""
        content: bytes = self._message.SerializeToString()
        return content

    def _points_of(self, snapshot: Snapshot, point: _Point) -> Any:
        """Return where the points of a metric of a run are."""
        key = (snapshot.run, snapshot.host, point.metric.name)
        if key not in self._points:
            made = self._scope_of(snapshot.run, snapshot.host).metrics.add()
            made.name, made.unit = point.metric.name, point.metric.unit
            made.description = point.help
            if point.metric.kind == "gauge":
                self._points[key] = made.gauge.data_points
            else:
                made.sum.aggregation_temporality = 2  # AGGREGATION_TEMPORALITY_CUMULATIVE
                made.sum.is_monotonic = point.metric.kind == "counter"
                self._points[key] = made.sum.data_points
        return self._points[key]

    def _scope_of(self, run: str, host: str) -> Any:
        if (run, host) not in self._scopes:
            of_run = self._message.resource_metrics.add()
            attributes = resource_attributes(run, host, self._given)
            put_attributes(of_run.resource.attributes, attributes.items())
            scope = of_run.scope_metrics.add()
            scope.scope.name, scope.scope.version = SCOPE, version()
            self._scopes[run, host] = scope
        return self._scopes[run, host]
