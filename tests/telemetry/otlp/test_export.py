"""The export against receivers that are well and that are not: nothing blocks, nothing raises, what is lost is said once."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from telemetry.alerts.alert import Alert, Severity
from telemetry.otlp import export as export_module
from telemetry.otlp import log_records, pusher
from telemetry.otlp.export import NO_EXPORT, OtlpExport, exporting
from telemetry.otlp.settings import Endpoint, OtlpSettings
from telemetry.snapshot import FoldSnapshot, FoldState, GrowthSnapshot
from tests.support.builders import full_snapshot, reading, snapshot
from tests.support.otlp_receiver import OtlpAnswer, OtlpReceiver, grpc_like_port, otlp_receiver
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.snapshot import Snapshot

SECRET = "S3CRETVALUE"  # noqa: S105 - looked for
ALERT = Alert(
    name="FoldwatchCeilingNear",
    severity=Severity.CRITICAL,
    labels={"run": "r", "host": "h", "rank": "", "fold": "1", "ceiling": "pids_cgroup"},
    summary="pids_cgroup is 97% full",
    description="Cap the thread pools.",
    facts={"command_now": "echo 1"},
    began=1000.0,
)
SHOWN = snapshot(FoldSnapshot(fold=1, state=FoldState.RUNNING, latest=reading(1, threads=9)))


class Running:
    """An export under test, and what it said."""

    def __init__(self, url: str, said: list[str], *signals: str, seconds: float) -> None:
        headers = {"authorization": f"Bearer {SECRET}"}
        endpoints = {
            signal: Endpoint(
                signal=signal, url=f"{url}/v1/{signal}", headers=headers, seconds=seconds
            )
            for signal in signals
        }
        settings = OtlpSettings(endpoints=endpoints, interval=0.05)
        self.export, self.said = OtlpExport(settings, log=said.append), said


@contextmanager
def pushing(
    url: str, *signals: str, seconds: float = 10, said: list[str] | None = None
) -> Iterator[Running]:
    """Export SHOWN, and close within what is allowed whatever the receiver does."""
    one = Running(
        url, [] if said is None else said, *(signals or ("metrics", "logs")), seconds=seconds
    )
    one.export.watch(lambda: [SHOWN])
    try:
        yield one
    finally:
        began = time.monotonic()
        one.export.close()
        assert time.monotonic() - began < pusher.CLOSE_SECONDS + 1
        assert SECRET not in "".join(one.said)


def points(receiver: OtlpReceiver, count: int = 1) -> None:
    """Wait for so many points of one stream."""
    name = "process.thread.count"
    wait_until(
        lambda: len([p for p in receiver.points if p.name == name]) >= count, 20, f"{count} points"
    )


def test_metrics_come_again_and_again_and_records_at_once() -> None:
    """With the headers; taken by a receiver that checks them, and nothing is said."""
    with otlp_receiver() as receiver, pushing(receiver.url) as one:
        one.export.alert(ALERT)
        points(receiver, 2)
        (record,) = wait_until(lambda: receiver.records, 20, "a record")
    assert (receiver.refused, one.said) == ([], [])
    assert (record.event, record.text, record.severity) == (
        "foldwatch.alert",
        "pids_cgroup is 97% full",
        "ERROR",
    )
    assert record.attributes == {
        "foldwatch.alert.name": "FoldwatchCeilingNear",
        "foldwatch.alert.state": "firing",
        "foldwatch.alert.severity": "critical",
        "foldwatch.alert.description": "Cap the thread pools.",
        "foldwatch.alert.command_now": "echo 1",
        "foldwatch.fold.number": "1",
        "foldwatch.limit.name": "pids_cgroup",
    }
    assert record.resource["foldwatch.run.name"] == "r"
    assert all(h["authorization"] == f"Bearer {SECRET}" for _, h in receiver.requests)
    assert all(h["content-encoding"] == "gzip" for _, h in receiver.requests)


def test_the_end_sends_what_there_is() -> None:
    """At once, though nothing was due."""
    with otlp_receiver() as receiver:
        endpoint = Endpoint(signal="metrics", url=f"{receiver.url}/v1/metrics")
        settings = OtlpSettings(endpoints={"metrics": endpoint}, interval=3600)
        export = OtlpExport(settings, log=lambda _: None)
        export.watch(lambda: [SHOWN])
        export.close()
        assert receiver.latest("process.thread.count") is not None
        assert len(receiver.requests) == 1


def test_each_kind_of_word_about_an_alert() -> None:
    """One record each; what failed is not told of again when nobody watches it any more."""
    ways = (
        ALERT,
        replace(ALERT, ended=1060.0),
        replace(ALERT, is_held=True),
        replace(ALERT, is_watched=False),
        replace(ALERT, name="FoldwatchFoldFailed", is_watched=False),
    )
    with otlp_receiver() as receiver:
        with pushing(receiver.url, "logs") as one:
            for alert in ways:
                one.export.alert(alert)
        told = [(r.attributes["foldwatch.alert.state"], r.severity) for r in receiver.records]
    assert told == [
        ("firing", "ERROR"),
        ("resolved", "INFO"),
        ("held", "ERROR"),
        ("no longer watched", "INFO"),
    ]


def test_a_verdict_is_told_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each; one that says nothing is none."""
    monkeypatch.setattr(export_module, "LOGS_SECONDS", 0.02)
    growth = GrowthSnapshot(resource="maps", verdict="inconclusive", reason="too few")
    shown = [replace(SHOWN, growth=(growth,))]
    with otlp_receiver() as receiver, pushing(receiver.url, "logs") as one:
        one.export.watch(lambda: shown)
        for verdict, count in (("stable", 1), ("growing", 2)):
            shown[0] = replace(SHOWN, growth=(replace(growth, verdict=verdict, per_fold=730.0),))
            wait_until(lambda count=count: len(receiver.records) == count, 20, verdict)  # type: ignore[misc]
        one.export.verdict("GROWING: maps", is_alarming=True)
        wait_until(lambda: len(receiver.records) == 3, 20, "the verdict on the run")
    told = [(record.event, record.text, record.severity) for record in receiver.records]
    assert told == [
        ("foldwatch.growth", "maps: stable; too few", "INFO"),
        ("foldwatch.growth", "maps: growing; too few", "WARN"),
        ("foldwatch.verdict", "GROWING: maps", "WARN"),
    ]
    assert receiver.records[1].attributes["foldwatch.growth.per_fold"] == "730"


def test_a_partial_success_is_counted_and_said_once() -> None:
    """By the receiver's own words; it is no failure, and not sent again."""
    answer = OtlpAnswer(rejected=2, message=f"too old\x1b[0m for {SECRET}")
    with otlp_receiver(answer) as receiver, pushing(receiver.url, "metrics") as one:
        points(receiver, 3)
    first, last = one.said
    assert first == (
        "foldwatch: OTLP metrics: refused data points: 2: too old [0m for ***;"
        " later ones are counted only"
    )
    begin, count = last.rsplit(" ", 1)
    assert begin == "foldwatch: OTLP metrics: refused data points:"
    assert int(count) >= 6


def test_a_partial_success_without_a_number_is_a_word_of_warning() -> None:
    """As the specification has it."""
    answer = OtlpAnswer(message="deprecated", is_gzipped=True)
    with otlp_receiver(answer) as receiver, pushing(receiver.url, "metrics") as one:
        points(receiver, 2)
    assert one.said == [
        "foldwatch: OTLP metrics: the receiver says: deprecated; later ones are counted only"
    ]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record arrives once; what failed is said once, in whole words."""
    monkeypatch.setattr(pusher, "FIRST_PAUSE", 0.01)
    answers = (OtlpAnswer(status, message="busy"), OtlpAnswer(status), OtlpAnswer())
    with otlp_receiver(*answers) as receiver, pushing(receiver.url, "logs") as one:
        one.export.alert(ALERT)
        wait_until(lambda: receiver.records, 20, "the record")
    assert len(receiver.records) == 1
    assert one.said == [
        f"foldwatch: OTLP logs: not sent: answered {status} (busy); later ones are counted only",
        "foldwatch: OTLP logs: failed requests: 2",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_retry_after_is_heeded(kind: str) -> None:
    """No request comes earlier; one that comes to the end is not waited for."""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    asked = ("Retry-After", "2" if kind == "seconds" else when)
    answers = (OtlpAnswer(429, headers=(asked,)), OtlpAnswer())
    with otlp_receiver(*answers) as receiver, pushing(receiver.url, "metrics"):
        wait_until(lambda: receiver.requests, 20, "a request")
        began = time.monotonic()
        points(receiver)
        assert time.monotonic() - began > 1


def test_nothing_to_send_after_a_failure_is_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pushes keep their interval."""
    monkeypatch.setattr(pusher, "FIRST_PAUSE", 0.01)
    asked: list[float] = []

    def once() -> list[Snapshot]:
        asked.append(time.monotonic())
        return [SHOWN] if len(asked) == 1 else []

    with otlp_receiver(OtlpAnswer(503)) as receiver, pushing(receiver.url, "metrics") as one:
        one.export.watch(once)
        wait_until(lambda: len(asked) > 4, 20, "several pushes")
    assert asked[4] - asked[2] > 0.08


def test_a_retry_after_of_a_day_does_not_keep_the_end_waiting() -> None:
    """The last push is tried all the same."""
    answers = (OtlpAnswer(503, headers=(("Retry-After", "86400"),)), OtlpAnswer())
    with otlp_receiver(*answers) as receiver:
        with pushing(receiver.url, "metrics"):
            wait_until(lambda: receiver.requests, 20, "a request")
        assert receiver.latest("process.thread.count") is not None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OtlpAnswer(400, message="bad"), "refused: answered 400 (bad)"),
        (
            OtlpAnswer(400, body=b"Client sent an HTTP request to an HTTPS server.\n"),
            "answered 400 (Client sent an HTTP request to an HTTPS server.)",
        ),
        (OtlpAnswer(401), "answered 401; see OTEL_EXPORTER_OTLP_HEADERS"),
        (OtlpAnswer(404, body=b""), "answered 404; is it the base address of a receiver"),
        (OtlpAnswer(301, headers=(("Location", "http://elsewhere/"),)), "answered 301"),
        (OtlpAnswer(500, body=b"\xff\xfe"), "answered 500"),
    ],
)
def test_what_is_refused_is_not_tried_again(answer: OtlpAnswer, words: str) -> None:
    """It is counted, and said with what may be wrong; the next record is sent."""
    with otlp_receiver(answer, OtlpAnswer()) as receiver, pushing(receiver.url, "logs") as one:
        one.export.alert(ALERT)
        wait_until(lambda: one.said, 20, "a word")
        one.export.alert(replace(ALERT, summary="second"))
        wait_until(lambda: receiver.records, 20, "the second record")
    assert words in one.said[0]
    assert one.said[1:] == ["foldwatch: OTLP logs: failed requests: 1, refused log records: 1"]
    assert [record.text for record in receiver.records] == ["second"]


@pytest.mark.parametrize(
    "answer",
    [
        OtlpAnswer(body=b"\xff\xff no protobuf"),
        OtlpAnswer(body=b"", is_gzipped=True),
        OtlpAnswer(body=b"x" * 1_000_000, is_gzipped=True),
    ],
    ids=["garbage", "gzip", "a large one"],
)
def test_an_odd_answer_of_success_is_one(answer: OtlpAnswer) -> None:
    """What was taken was taken."""
    with otlp_receiver(answer) as receiver, pushing(receiver.url, "metrics") as one:
        points(receiver, 2)
    assert one.said == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", [OtlpAnswer(hangs=True), OtlpAnswer(drips=True)])
def test_silence_and_drips_have_a_deadline(answer: OtlpAnswer) -> None:
    """For all of a request; nobody who tells the export anything waits meanwhile, and its end is bounded."""
    with otlp_receiver(answer) as receiver, pushing(receiver.url, seconds=0.2) as one:
        wait_until(lambda: len(receiver.requests) > 1, 20, "requests")
        began = time.monotonic()
        for _ in range(1000):
            one.export.alert(ALERT)
        assert time.monotonic() - began < 1
        wait_until(lambda: len(one.said) > 1, 20, "a word about both")
    assert any("OTLP metrics: not sent: 127.0.0.1: timed out" in line for line in one.said)
    assert any("log records not sent in time: 1000" in line for line in one.said)


@pytest.mark.slow
def test_a_request_that_hangs_at_the_end_is_left_behind() -> None:
    """With a deadline of a minute of its own."""
    with (
        otlp_receiver(OtlpAnswer(hangs=True)) as receiver,
        pushing(receiver.url, "metrics", seconds=60) as one,
    ):
        wait_until(lambda: receiver.requests, 20, "a request")
    assert one.said == ["foldwatch: OTLP metrics: the last push did not end in time"]


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are kept."""
    monkeypatch.setattr(log_records.LogSource.__init__, "__kwdefaults__", {"length": 3})
    with otlp_receiver(OtlpAnswer(503)) as receiver, pushing(receiver.url, "logs") as one:
        for _ in range(5):
            one.export.alert(ALERT)
    assert "dropped log records: 2, log records not sent in time: 3" in one.said[-1]


def test_nobody_there_is_said_once() -> None:
    """And the run goes on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pushing(f"http://127.0.0.1:{port}", "metrics") as one:
        wait_until(lambda: one.said, 20, "a word")
    assert one.said[0].startswith("foldwatch: OTLP metrics: not sent: 127.0.0.1: ")
    assert "Connection refused" in one.said[0]


def test_https_on_a_port_of_http_says_so() -> None:
    """It is the commonest mistake but one."""
    with (
        otlp_receiver() as receiver,
        pushing(receiver.url.replace("http:", "https:"), "metrics") as one,
    ):
        wait_until(lambda: one.said, 20, "a word")
    assert "http:// instead of https://?" in one.said[0]


def test_a_port_of_grpc_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commonest; its number is known."""
    with grpc_like_port() as url:
        monkeypatch.setattr(pusher, "GRPC_PORT", int(url.rpartition(":")[2]))
        with pushing(url, "metrics") as one:
            wait_until(lambda: one.said, 20, "a word")
    assert "4318" in one.said[0]
    assert "gRPC" in one.said[0]


def test_no_thread_to_be_had_costs_the_export_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a limit of threads, which is what foldwatch is for."""

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    said: list[str] = []
    with otlp_receiver() as receiver, monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pushing(receiver.url, "metrics", said=said) as one:
            one.export.alert(ALERT)
    assert said == ["foldwatch: OTLP metrics will not be sent: can't start new thread"]


def test_a_bug_costs_a_push_and_not_the_thread() -> None:
    """What gives the snapshots may fail; it is said once, and the next push is made."""
    shown = [SHOWN]

    def failing() -> list[object]:
        raise KeyError("gone")

    with otlp_receiver() as receiver, pushing(receiver.url, "metrics") as one:
        one.export.watch(failing)  # type: ignore[arg-type] # as a bug would
        wait_until(lambda: one.said, 20, "a word")
        one.export.watch(lambda: shown)
        points(receiver)
    assert one.said[0].startswith("foldwatch: OTLP metrics: cannot be sent: KeyError: 'gone'")


def test_without_the_option_there_is_no_thread() -> None:
    """Nor anything else; the variable of OpenTelemetry alone switches nothing on."""
    before = threading.active_count()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
    with suppress(KeyError), exporting(None) as export:
        del os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
        export.watch(lambda: [full_snapshot()])
        export.alert(ALERT)
        export.verdict("", is_alarming=False)
        assert export is NO_EXPORT
        assert threading.active_count() == before
