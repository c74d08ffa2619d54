"""The ways to send an alert: standard error, a command, a webhook, Alertmanager's v2 API.

Labels come from training scripts: a command gets them in its environment and on its standard input,
never as words of a command line, and a webhook as JSON. An address may hold a secret and is never printed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from telemetry.errors import InputError
from telemetry.formatting import format_duration
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.alerts.alert import Alert

HTTP_SECONDS = 5.0
COMMAND_SECONDS = 30.0
ATTEMPTS = 3
REPEAT_SECONDS = 60.0
"""How often an alert is repeated to Alertmanager, which ends one that is not repeated for five minutes."""
SHORTEST_EPISODE_SECONDS = 60.0
"""Alertmanager never sends an alert that ends before its group_wait is over."""


class Sink(Protocol):
    """One way to send alerts; `send` raises OSError or ValueError with the reason."""

    name: str

    def send(self, alert: Alert, /) -> None:
        """Send a beginning or an end."""

    def repeat(self) -> None:
        """Called about every REPEAT_SECONDS."""

    def stop(self) -> None:
        """Called from another thread if `send` takes too long: leave nothing running."""


@dataclass(slots=True)
class ConsoleSink:
    """One line each, through ``log``."""

    log: Callable[[str], None]
    name: str = "lines"

    def send(self, alert: Alert) -> None:
        """Log it; the text is cleaned for a terminal."""
        place = " ".join(f"{name}={text}" for name, text in alert.labels.items() if text)
        words = f"{alert.severity}: {alert.summary}"
        if alert.ended is not None:
            words = f"resolved after {format_duration(alert.ended - alert.began)}; it was: {alert.summary}"
        self.log(clean_label(f"foldwatch alert: {words} [{alert.name} {place}]"))

    def repeat(self) -> None:
        """Logged once is enough."""

    def stop(self) -> None:
        """There is nothing to wait for."""


@dataclass(slots=True)
class Command:
    """A program that gets the alert as JSON on its standard input and in FOLDWATCH_ALERT_*."""

    arguments: Sequence[str]
    name: str = "command"
    process: subprocess.Popen[bytes] | None = None
    is_over: bool = False

    def send(self, alert: Alert) -> None:
        """Run it and wait; a failure is its exit code. Raises OSError."""
        environment = {
            "FOLDWATCH_ALERT_STATUS": _status(alert),
            "FOLDWATCH_ALERT_NAME": alert.name,
            "FOLDWATCH_ALERT_SEVERITY": alert.severity,
            "FOLDWATCH_ALERT_SUMMARY": alert.summary.replace("\0", ""),
        }
        if self.is_over:
            raise OSError("not run any more")
        with subprocess.Popen(
            self.arguments,
            stdin=subprocess.PIPE,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the run; its last alert is still sent
        ) as self.process:
            try:
                content = json.dumps(webhook_content(alert)).encode()
                self.process.communicate(content, timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise TimeoutError(f"killed after {COMMAND_SECONDS:.0f} s") from error
            finally:
                self._kill()
        if self.process.returncode:
            raise OSError(f"exit code {self.process.returncode}")

    def repeat(self) -> None:
        """It was sent."""

    def stop(self) -> None:
        """End the one that runs, with what it started."""
        self.is_over = True
        self._kill()

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Webhook:
    """An address that takes Alertmanager's webhook format, version 4."""

    name = "webhook"

    def __init__(self, url: str, *, option: str = "--alert-webhook") -> None:
        """Raises InputError if ``url`` is no http or https address."""
        self._url = _checked(url, option)

    def send(self, alert: Alert) -> None:
        """POST it. Raises OSError."""
        _post(self._url, webhook_content(alert))

    def repeat(self) -> None:
        """It was sent."""

    def stop(self) -> None:
        """A request ends with its thread."""


class Alertmanager:
    """Alertmanager's v2 API; the labels are those of grafana/rules, so both ways make one alert."""

    name = "alertmanager"

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        """Raises InputError if ``url`` is no http or https address."""
        self._url = _checked(url, "--alertmanager").rstrip("/") + "/api/v2/alerts"
        self._clock = clock
        self._active: dict[tuple[object, ...], Alert] = {}

    def send(self, alert: Alert) -> None:
        """POST it, and go on repeating it until it ends. Raises OSError."""
        key = (alert.name, *sorted(alert.labels.items()))
        if alert.ended is None:
            self._active[key] = alert
        else:
            self._active.pop(key, None)
        _post(self._url, [self._content(alert)])

    def repeat(self) -> None:
        """POST all that is active. Raises OSError."""
        if self._active:
            _post(self._url, [self._content(alert) for alert in self._active.values()])

    def stop(self) -> None:
        """A request ends with its thread."""

    def _content(self, alert: Alert) -> dict[str, Any]:
        content = _content(alert)
        ends = self._clock() + 5 * REPEAT_SECONDS
        if alert.ended is not None:
            ends = max(alert.ended, alert.began + SHORTEST_EPISODE_SECONDS)
        return {
            "labels": content["labels"],
            "annotations": content["annotations"],
            "startsAt": content["startsAt"],
            "endsAt": _rfc3339(ends),
        }


def webhook_content(alert: Alert) -> dict[str, Any]:
    """Return ``alert`` in Alertmanager's webhook format, as a group of its own."""
    content = _content(alert)
    return {
        "version": "4",
        "groupKey": f"{alert.name}:{sorted(alert.labels.items())}",
        "truncatedAlerts": 0,
        "status": _status(alert),
        "receiver": "foldwatch",
        "groupLabels": {"alertname": alert.name},
        "commonLabels": content["labels"],
        "commonAnnotations": content["annotations"],
        "externalURL": "",
        "alerts": [content],
    }


def _content(alert: Alert) -> dict[str, Any]:
    labels = {"alertname": alert.name, "severity": alert.severity, **alert.labels}
    return {
        "status": _status(alert),
        # An empty label is no label to Prometheus and Alertmanager.
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": {"summary": alert.summary, "description": alert.description},
        "startsAt": _rfc3339(alert.began),
        # Go's zero time is what Alertmanager sends for "not ended".
        "endsAt": "0001-01-01T00:00:00Z" if alert.ended is None else _rfc3339(alert.ended),
        "generatorURL": "",
    }


def _status(alert: Alert) -> str:
    return "firing" if alert.ended is None else "resolved"


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _checked(url: str, option: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        is_usable = False
    if not is_usable:
        raise InputError(f"{option}: an address that begins with http:// or https:// is needed")
    return url


def _post(url: str, content: object) -> None:
    """POST JSON, up to ATTEMPTS times if the other side may recover. Raises OSError."""
    # Not urllib3.Retry: foldwatch's base and its extra `serve` do not bring urllib3 along (in
    # requirements.lock it is there for TensorFlow), and it would replace the loop below alone.
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "User-Agent": "foldwatch"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(url, data=json.dumps(content).encode(), headers=headers)  # noqa: S310 - the scheme was checked
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _OPENER.open(request, timeout=HTTP_SECONDS):
                return
        except urllib.error.HTTPError as error:
            code = error.code
            error.close()
            if attempt == ATTEMPTS or code < 500:
                raise OSError(f"{parts.hostname} answered {code}") from None
        except OSError as error:
            if attempt == ATTEMPTS:
                reason = getattr(error, "reason", error)
                raise OSError(f"{parts.hostname}: {reason}") from None
        time.sleep(0.2 * 2**attempt)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A redirected POST would arrive as a GET without its content."""


_OPENER = urllib.request.build_opener(_NoRedirect)
