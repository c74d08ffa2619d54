"""The tests' receiver refuses what the specification refuses: else the tests of the export would prove nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics

from tests.support.otlp_receiver import PROTOBUF, OtlpReceiver, RefusedError, take

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS = {"content-type": PROTOBUF}


def good() -> Any:
    """Give a request with one point of a counter."""
    request = metrics.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "a"
    scope = resource.scope_metrics.add()
    scope.scope.name = "a"
    metric = scope.metrics.add(name="a.b", unit="By", description="A.")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
    point = metric.sum.data_points.add(as_int=5, time_unix_nano=10, start_time_unix_nano=10)
    point.attributes.add(key="x").value.string_value = "1"
    return request


def scope_of(request: Any) -> Any:
    return request.resource_metrics[0].scope_metrics[0]


def metric_of(request: Any) -> Any:
    return scope_of(request).metrics[0]


def point_of(request: Any) -> Any:
    return metric_of(request).sum.data_points[0]


def sent(receiver: OtlpReceiver, request: Any, path: str = "/v1/metrics", **headers: str) -> None:
    take(receiver, path, HEADERS | headers, request.SerializeToString())


def twice(repeated: Any) -> None:
    repeated.add().CopyFrom(repeated[0])


FAULTS: dict[str, Callable[[Any], object]] = {
    "no resource": lambda r: r.resource_metrics[0].ClearField("resource"),
    "no scope": lambda r: scope_of(r).scope.ClearField("name"),
    "an empty name": lambda r: metric_of(r).ClearField("name"),
    "a name that begins with a digit": lambda r: setattr(metric_of(r), "name", "1a"),
    "no unit": lambda r: metric_of(r).ClearField("unit"),
    "a unit that is none": lambda r: setattr(metric_of(r), "unit", "bytes"),
    "a metric twice": lambda r: twice(scope_of(r).metrics),
    "no points": lambda r: metric_of(r).sum.ClearField("data_points"),
    "a point twice": lambda r: twice(metric_of(r).sum.data_points),
    "an attribute twice": lambda r: twice(point_of(r).attributes),
    "an attribute without a value": lambda r: point_of(r).attributes[0].ClearField("value"),
    "delta": lambda r: setattr(metric_of(r).sum, "aggregation_temporality", 1),
    "no value": lambda r: point_of(r).ClearField("as_int"),
    "infinity": lambda r: setattr(point_of(r), "as_double", float("inf")),
    "no time": lambda r: point_of(r).ClearField("time_unix_nano"),
    "no start": lambda r: point_of(r).ClearField("start_time_unix_nano"),
    "a start after its time": lambda r: setattr(point_of(r), "start_time_unix_nano", 11),
    "a first point with a past": lambda r: setattr(point_of(r), "start_time_unix_nano", 9),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_with_a_fault_is_refused(fault: str) -> None:
    """And the same without it is taken."""
    receiver, request = OtlpReceiver(), good()
    sent(receiver, request)
    FAULTS[fault](request)
    with pytest.raises(RefusedError):
        sent(OtlpReceiver(), request)
    assert len(receiver.points) == 1


@pytest.mark.parametrize(
    ("value", "start", "time"),
    [(4, 10, 20), (6, 10, 10), (6, 5, 20)],
    ids=["it decreases", "it is not later", "it overlaps"],
)
def test_a_next_point_that_does_not_go_on_is_refused(value: int, start: int, time: int) -> None:
    """One that begins anew is taken, lower or not."""
    receiver, request = OtlpReceiver(), good()
    sent(receiver, request)
    point = point_of(request)
    point.as_int, point.start_time_unix_nano, point.time_unix_nano = value, start, time
    with pytest.raises(RefusedError):
        sent(receiver, request)
    point.as_int, point.start_time_unix_nano, point.time_unix_nano = 1, 30, 30
    sent(receiver, request)


def test_the_wrong_place_kind_and_content_are_refused() -> None:
    """JSON that says it is protobuf, too."""
    empty = logs.ExportLogsServiceRequest()
    for path, headers in (
        ("/v1/metrics", {"content-type": "application/json"}),
        ("/v1/traces", {}),
        ("/v1/logs", {}),
    ):
        with pytest.raises(RefusedError):
            sent(OtlpReceiver(), empty if path == "/v1/logs" else good(), path, **headers)
    with pytest.raises(RefusedError):
        take(OtlpReceiver(), "/v1/metrics", HEADERS, b'{"resourceMetrics": []}')
