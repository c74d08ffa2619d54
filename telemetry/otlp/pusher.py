"""`Pusher`: the thread that sends one signal. Nobody waits for it: each request has a deadline, and so has its end.

opentelemetry-exporter-otlp-proto-http (1.45) is not used: its SDK has no way to say when a counter of another process
began, and the exporter does not read a partial success, begins its timeout anew with each byte of a slow answer, and
drops what its receiver asks for later than that timeout.
"""

from __future__ import annotations

import gzip
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from telemetry.alerts.http_post import exchange
from telemetry.masking import MASK, mask_text
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from telemetry.alerts.http_post import HttpAnswer
    from telemetry.otlp.batch import Batch, BatchSource
    from telemetry.otlp.settings import Endpoint

CLOSE_SECONDS = 2.0
"""For the last push; alerts have three, and a run that is told to stop ends within five."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""After a failure, doubled with each in a row."""
LONGEST_ASKED = 300.0
"""Of what Retry-After may ask for."""
ANSWER_BYTES = 64 * 1024
WORDS_KEPT = 200
"""Characters of what a receiver says."""
RETRIED = frozenset({429, 502, 503, 504})
"""The statuses that the specification has tried again; after any other what was sent is lost."""
GRPC_PORT = 4317
LATER = "; later ones are counted only"
_PROTOBUF = "application/x-protobuf"
_HINTS: Mapping[int, str] = {
    401: "see OTEL_EXPORTER_OTLP_HEADERS",
    403: "see OTEL_EXPORTER_OTLP_HEADERS",
    404: "is it the base address of a receiver of OTLP over HTTP, and does it take {signal}?",
    405: "is it the base address of a receiver of OTLP over HTTP?",
    413: "its limit of a request's size is too low",
    415: "it does not take protobuf",
}


class Pusher:
    """Sends what a source has, every ``interval`` seconds and when it is woken.

    Invariant: nothing is raised into another thread, and `close` returns within its deadline.
    """

    def __init__(
        self,
        source: BatchSource,
        endpoint: Endpoint,
        *,
        log: Callable[[str], None],
        interval: float,
        wake: threading.Event,
    ) -> None:
        """Start the thread.

        Args:
            source: What is sent.
            endpoint: Where to.
            log: For the first of each kind of failure, and the numbers at the end.
            interval: Seconds between two pushes.
            wake: Set when there is something to send earlier, and at the end.
        """
        self.refused = self.failed = 0
        """Points or records that the receiver did not take; requests that came to nothing."""
        self._source, self._endpoint, self._log = source, endpoint, log
        self._interval, self._wake = interval, wake
        self._is_over = threading.Event()
        self._is_done = False
        self._said: set[str] = set()
        self._pause = FIRST_PAUSE
        self._not_before = 0.0
        self._thread = threading.Thread(
            target=self._run, name=f"foldwatch-otlp-{endpoint.signal}", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread to be had: the run goes on without
            self._is_done = True
            log(f"foldwatch: OTLP {endpoint.signal} will not be sent: {error}")

    def finish(self) -> None:
        """Have the thread send once more, and end."""
        self._is_over.set()
        self._wake.set()

    def join(self, ends: float) -> None:
        """Wait for that until ``ends``, of time.monotonic; then say what was not sent, and leave the thread alone."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, ends - time.monotonic()))
        log, self._log = self._log, lambda _: None
        noun, waiting = self._source.noun, self._source.waiting()
        lost = {
            "failed requests": self.failed,
            f"refused {noun}": self.refused,
            f"dropped {noun}": self._source.dropped,
            f"{noun} not sent in time": waiting,
        }
        words = [f"{name}: {count}" for name, count in lost.items() if count]
        if not waiting and not self._is_done:
            words.append("the last push did not end in time")
        if words:
            log(f"foldwatch: OTLP {self._endpoint.signal}: {', '.join(words)}")

    def _run(self) -> None:
        due = time.monotonic() + min(self._interval, FIRST_PAUSE)
        while True:
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._is_over.wait(max(0.0, self._not_before - time.monotonic()))
            self._wake.clear()
            if self._is_over.is_set():  # asked after that: `finish` sets both, this one first
                break
            self._not_before = 0.0
            began, cost = time.monotonic(), time.thread_time()
            self._push()
            # What is made into requests takes the interpreter from the others: at most a twentieth of the time.
            due = began + max(self._interval, 20 * (time.thread_time() - cost))
            due = self._not_before or due
        self._push()
        self._is_done = True

    def _push(self) -> None:
        try:
            for batch in self._source.batches():
                if not self._send(batch):
                    return
        except Exception as error:  # noqa: BLE001 - a push is lost, and neither the next one nor the run
            self.failed += 1
            self._say("bug", f"cannot be sent: {type(error).__name__}: {error}")

    def _send(self, batch: Batch) -> bool:
        """Send one batch; whether it is settled, so that the next may be sent."""
        try:
            answer = self._post(batch.content)
        except (OSError, MemoryError) as error:
            self._put_off(f"not sent: {error}{self._hint_of(str(error))}", None)
            return False
        if answer.status in RETRIED:
            self._put_off(f"not sent: {self._answered(answer)}", answer.headers.get("Retry-After"))
            return False
        self._pause = FIRST_PAUSE
        is_accepted = 200 <= answer.status < 300
        batch.settle(is_accepted)
        if is_accepted:
            self._take_partial(answer)
        else:
            self.failed += 1
            self.refused += batch.size
            self._say("refused", f"refused: {self._answered(answer)}")
        return True

    def _post(self, content: bytes) -> HttpAnswer:
        headers = {**self._endpoint.headers, "Content-Type": _PROTOBUF}
        if self._endpoint.is_gzipped:
            content = gzip.compress(content, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        seconds = self._endpoint.seconds
        return exchange(
            self._endpoint.url,
            content,
            headers=headers,
            seconds=min(seconds, CLOSE_SECONDS) if self._is_over.is_set() else seconds,
            most_bytes=ANSWER_BYTES,
        )

    def _put_off(self, why: str, asked: str | None) -> None:
        """Wait before the next request: for as long as it is asked for, else longer each time."""
        self.failed += 1
        seconds = _seconds_asked(asked)
        if seconds is None:
            seconds, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        self._not_before = time.monotonic() + seconds
        self._say("put off", why)

    def _take_partial(self, answer: HttpAnswer) -> None:
        """Count what the receiver did not take of what it accepted."""
        count, words = _partial_success(answer)
        self.refused += count
        if count:
            self._say("partial", f"refused {self._source.noun}: {count}: {self._shown(words)}")
        elif words:
            self._say("warned", f"the receiver says: {self._shown(words)}")

    def _answered(self, answer: HttpAnswer) -> str:
        """Say what was answered, by the receiver's own words where it has any."""
        said = f"answered {answer.status}"
        kind = answer.headers.get_content_type()
        if kind == _PROTOBUF:
            # A google.rpc.Status: its message has the field number that error_message has there.
            words = _partial_success(answer, is_status=True)[1]
        else:
            words = answer.body.decode("utf-8", "replace") if kind == "text/plain" else ""
        if shown := self._shown(words):
            said += f" ({shown})"
        hint = _HINTS.get(answer.status, "").format(signal=self._endpoint.signal)
        return f"{said}; {hint}" if hint else said

    def _shown(self, words: str) -> str:
        """Return a receiver's words, for one line, without what it may repeat of the headers and the address."""
        for secret in self._endpoint.secrets:
            words = words.replace(secret, MASK)
        return clean_label(mask_text(words))[:WORDS_KEPT]

    def _hint_of(self, why: str) -> str:
        """Say what may be wrong where there was no HTTP at all."""
        url = self._endpoint.url
        if "WRONG_VERSION_NUMBER" in why or "record layer" in why:
            return "; it does not speak TLS there: http:// instead of https://?"
        if urlsplit(url).port == GRPC_PORT:
            return f"; {GRPC_PORT} is the port of OTLP over gRPC, that of OTLP over HTTP is 4318 as a rule"
        if url.startswith("http:") and "no HTTP" in why:
            return "; is that a port of gRPC, or one of https://?"
        return ""

    def _say(self, kind: str, words: str) -> None:
        """Log the first of each kind."""
        if kind not in self._said:
            self._said.add(kind)
            words = f"foldwatch: OTLP {self._endpoint.signal}: {words}"
            self._log(clean_label(f"{words}{LATER}"))


def _seconds_asked(text: str | None) -> float | None:
    """Return what a Retry-After asks for, within bounds; None without one, or for what is none."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text[:9]), LONGEST_ASKED)
    try:
        when = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, when - time.time()), LONGEST_ASKED)


def _partial_success(answer: HttpAnswer, *, is_status: bool = False) -> tuple[int, str]:
    """Return how many were refused, and the words; of an answer that is no protobuf neither."""
    # Here, because the extra may be missing where this module is loaded. Both services have the same messages.
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415

    try:
        if is_status:
            found = logs_service_pb2.ExportLogsPartialSuccess.FromString(answer.body)
        else:
            whole = logs_service_pb2.ExportLogsServiceResponse.FromString(answer.body)
            found = whole.partial_success
    except DecodeError:
        return 0, ""
    return max(0, found.rejected_log_records), found.error_message
