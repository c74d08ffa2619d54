"""An OTLP/HTTP receiver built on the official service definitions, which refuses what the specification refuses.

It answers as real ones do when they are well, and in every way in which they are not.
"""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-/]{0,254}")
"""Of an instrument, as the metrics API's specification has it."""
UNIT = re.compile(r"1|s|By|\{[a-z_]+\}|(By|\{[a-z_]+\})/\{[a-z_]+\}")
"""The part of UCUM that foldwatch needs."""
PROTOBUF = "application/x-protobuf"


class RefusedError(Exception):
    """The request breaks the specification."""


@dataclass
class OtlpPoint:
    """A point that was taken."""

    resource: dict[str, Any]
    name: str
    unit: str
    kind: str
    attributes: dict[str, Any]
    value: float
    start: int
    time: int


@dataclass
class OtlpRecord:
    """A log record that was taken."""

    resource: dict[str, Any]
    event: str
    text: str
    severity: str
    attributes: dict[str, Any]


@dataclass
class OtlpReceiver:
    """What was taken and what was refused; ``answer`` says how it answers from now on."""

    url: str = ""
    points: list[OtlpPoint] = field(default_factory=list)
    records: list[OtlpRecord] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Of each the path, and the headers by their names in lower case."""
    answers: list[OtlpAnswer] = field(default_factory=list)
    """For the next requests, one each; the last one stays. Empty: all is well."""
    streams: dict[object, OtlpPoint] = field(default_factory=dict)

    def latest(self, name: str, **attributes: str) -> OtlpPoint | None:
        """Return the last point of a metric with these attributes, by the ends of their names."""
        for point in reversed(self.points):
            short = {key.rpartition(".")[2]: value for key, value in point.attributes.items()}
            if point.name == name and attributes.items() <= short.items():
                return point
        return None

    def next_answer(self) -> OtlpAnswer:
        """Return how the next request is answered."""
        if len(self.answers) > 1:
            return self.answers.pop(0)
        return self.answers[0] if self.answers else OtlpAnswer()


@dataclass(frozen=True)
class OtlpAnswer:
    """One way to answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    rejected: int = 0
    message: str = ""
    """Of a partial success; with another status than 200 of the Status that is answered."""
    is_gzipped: bool = False
    body: bytes | None = None
    """Instead of a message of the service."""
    drips: bool = False
    """A byte every tenth of a second, for as long as anybody reads."""
    hangs: bool = False


class OtlpHandler(BaseHTTPRequestHandler):
    """Takes requests for the receiver of its server."""

    protocol_version = "HTTP/1.1"
    server: OtlpServer

    def do_POST(self) -> None:
        receiver = self.server.receiver
        headers = {name.lower(): text for name, text in self.headers.items()}
        receiver.requests.append((self.path, headers))
        content = self.rfile.read(int(headers["content-length"]))
        answer = receiver.next_answer()
        if answer.hangs:
            self.server.is_over.wait(30)
            return
        try:
            if answer.status == 200:
                take(receiver, self.path, headers, content)
        except RefusedError as error:
            receiver.refused.append(str(error))
            answer = OtlpAnswer(400, message=str(error))
        self._send(answer)

    def _send(self, answer: OtlpAnswer) -> None:
        body = body_of(self.path, answer) if answer.body is None else answer.body
        body = gzip.compress(body) if answer.is_gzipped else body
        kind = "text/plain" if answer.body is not None else PROTOBUF
        length = "100000" if answer.drips else str(len(body))
        encoding = (("Content-Encoding", "gzip"),) if answer.is_gzipped else ()
        own = (("Content-Type", kind), ("Content-Length", length), *encoding)
        self.send_response(answer.status)
        for name, text in (*own, *answer.headers):
            self.send_header(name, text)
        self.end_headers()
        with suppress(OSError):
            while answer.drips and not self.server.is_over.wait(0.1):
                self.wfile.write(b"\0")
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The test tells what matters."""


class OtlpServer(ThreadingHTTPServer):
    """Serves one receiver."""

    daemon_threads = True

    def __init__(self, receiver: OtlpReceiver) -> None:
        super().__init__(("127.0.0.1", 0), OtlpHandler)
        self.receiver, self.is_over = receiver, threading.Event()

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what some tests are about."""


@contextmanager
def otlp_receiver(*answers: OtlpAnswer) -> Iterator[OtlpReceiver]:
    """Run one on a free port of this host."""
    receiver = OtlpReceiver(answers=[*answers])
    server = OtlpServer(receiver)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.is_over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def body_of(path: str, answer: OtlpAnswer) -> bytes:
    if path.endswith("/v1/metrics"):
        one = metrics.ExportMetricsServiceResponse()
        one.partial_success.rejected_data_points = answer.rejected
        one.partial_success.error_message = answer.message
        return bytes(
            one.SerializeToString()
            if answer.status == 200
            else one.partial_success.SerializeToString()
        )
    other = logs.ExportLogsServiceResponse()
    other.partial_success.rejected_log_records = answer.rejected
    other.partial_success.error_message = answer.message
    whole = other if answer.status == 200 else other.partial_success
    return bytes(whole.SerializeToString())


def take(receiver: OtlpReceiver, path: str, headers: Mapping[str, str], content: bytes) -> None:
    """Take a request. Raises RefusedError."""
    need(headers.get("content-type") == PROTOBUF, "content type")
    if headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    try:
        if path == "/v1/metrics":
            points = [*checked_points(metrics.ExportMetricsServiceRequest.FromString(content))]
            check_streams(receiver.streams, points)
            receiver.points += points
        elif path == "/v1/logs":
            receiver.records += checked_records(logs.ExportLogsServiceRequest.FromString(content))
        else:
            raise RefusedError(f"no such path: {path}")
    except DecodeError as error:
        raise RefusedError("not a request of the service") from error


def need(is_so: object, words: str) -> None:
    if not is_so:
        raise RefusedError(words)


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        need(pair.key, "an attribute without a name")
        need(pair.key not in found, f"the attribute {pair.key} twice")
        kind = pair.value.WhichOneof("value")
        need(kind is not None, f"the attribute {pair.key} without a value")
        found[pair.key] = getattr(pair.value, str(kind))
    namespaces = {
        ".".join(name.split(".")[:n]) for name in found for n in range(1, name.count(".") + 1)
    }
    need(
        not namespaces & found.keys(),
        f"an attribute that is a namespace: {namespaces & found.keys()}",
    )
    return found


def resource_of(resource: Any) -> dict[str, Any]:
    found = attributes_of(resource.attributes)
    need(found.get("service.name"), "no service.name")
    return found


def check_scope(scope: Any) -> None:
    need(scope.name, "no scope")


def checked_points(request: Any) -> Iterator[OtlpPoint]:
    """Check a request by itself, and give its points."""
    need(request.resource_metrics, "an empty request")
    for of_resource in request.resource_metrics:
        resource = resource_of(of_resource.resource)
        for of_scope in of_resource.scope_metrics:
            check_scope(of_scope.scope)
            names = [metric.name for metric in of_scope.metrics]
            need(len({*names}) == len(names), "a metric twice in a scope")
            for metric in of_scope.metrics:
                yield from points_of(metric, resource)


def points_of(metric: Any, resource: dict[str, Any]) -> Iterator[OtlpPoint]:
    need(NAME.fullmatch(metric.name), f"the name {metric.name!r}")
    need(UNIT.fullmatch(metric.unit), f"{metric.name}: the unit {metric.unit!r}")
    need(metric.description, f"{metric.name}: no description")
    kind = metric.WhichOneof("data")
    need(kind in {"gauge", "sum"}, f"{metric.name}: no data")
    data = getattr(metric, kind)
    need(data.data_points, f"{metric.name}: no points")
    if kind == "sum":
        cumulative = data.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        need(cumulative, f"{metric.name}: not cumulative")
        kind = "counter" if data.is_monotonic else "updowncounter"
    seen = set()
    for point in data.data_points:
        attributes = attributes_of(point.attributes)
        need(frozenset(attributes.items()) not in seen, f"{metric.name}: a point twice")
        seen.add(frozenset(attributes.items()))
        which = point.WhichOneof("value")
        need(which is not None, f"{metric.name}: no value")
        value = getattr(point, str(which))
        need(value == value and abs(value) != float("inf"), f"{metric.name}: {value}")  # noqa: PLR0124 - NaN
        need(point.time_unix_nano, f"{metric.name}: no time")
        if kind != "gauge":
            need(point.start_time_unix_nano, f"{metric.name}: no start time")
            early = point.start_time_unix_nano <= point.time_unix_nano
            need(early, f"{metric.name}: starts after its time")
        yield OtlpPoint(
            resource,
            metric.name,
            metric.unit,
            kind,
            attributes,
            value,
            point.start_time_unix_nano,
            point.time_unix_nano,
        )


def check_streams(streams: dict[object, OtlpPoint], points: Iterable[OtlpPoint]) -> None:
    """Check points against those before of the same stream."""
    for point in points:
        key = (
            frozenset(point.resource.items()),
            point.name,
            frozenset(point.attributes.items()),
        )
        before = streams.get(key)
        streams[key] = point
        if before is None:
            is_known = point.kind == "gauge" or point.start == point.time
            need(is_known, f"{point.name}: a first point that hides what was before it")
            continue
        need((before.kind, before.unit) == (point.kind, point.unit), f"{point.name}: changed")
        need(type(before.value) is type(point.value), f"{point.name}: another kind of number")
        if point.kind == "gauge":
            continue
        goes_on = point.start == before.start
        need(goes_on or point.start >= before.time, f"{point.name}: overlaps")
        need(not goes_on or point.time > before.time, f"{point.name}: not later")
        is_lower = point.kind == "counter" and point.value < before.value
        need(not (goes_on and is_lower), f"{point.name}: decreased from {before.value}")


def checked_records(request: Any) -> Iterator[OtlpRecord]:
    need(request.resource_logs, "an empty request")
    for of_resource in request.resource_logs:
        resource = resource_of(of_resource.resource)
        for of_scope in of_resource.scope_logs:
            check_scope(of_scope.scope)
            need(of_scope.log_records, "no records")
            for record in of_scope.log_records:
                need(record.time_unix_nano and record.observed_time_unix_nano, "no time")
                need(record.event_name and record.body.string_value, "no event, or no text")
                need(1 <= record.severity_number <= 24, "no severity")
                yield OtlpRecord(
                    resource,
                    record.event_name,
                    record.body.string_value,
                    record.severity_text,
                    attributes_of(record.attributes),
                )


@contextmanager
def grpc_like_port() -> Iterator[str]:
    """Run what answers HTTP/1.1 as a gRPC server does: with a frame of HTTP/2, and the end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        is_over = threading.Event()

        def answer() -> None:
            while not is_over.is_set():
                with suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0@\0")
                        time.sleep(0.01)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()
