"""The ways to send an alert: standard error, a command, a webhook, Alertmanager's v2 API.

Labels come from training scripts: a command gets them in its environment and on its standard input,
never as words of a command line, and a webhook as JSON. An address may hold a secret and is never printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from telemetry.alerts.alert import FAILURES
from telemetry.alerts.http_post import checked_address, fetch, post
from telemetry.formatting import format_duration
from telemetry.masking import child_environment
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from telemetry.alerts.alert import Alert

COMMAND_SECONDS = 30.0
POLL_SECONDS = 0.02
REPEAT_SECONDS = 60.0
"""How often an alert is repeated to Alertmanager, which ends one that is not repeated for five minutes."""
OWN_ALERTS = 'alertname=~"Foldwatch.+"'
SHORTEST_EPISODE_SECONDS = 60.0
"""Alertmanager never sends an alert that ends before its group_wait is over."""


class Sink(Protocol):
    """One way to send alerts; `send` raises OSError or ValueError with the reason."""

    name: str

    def send(self, alert: Alert, /) -> None:
        """Send a beginning or an end."""

    def hold(self, alert: Alert, /) -> None:
        """Take note that the run died of it: it goes on, and what failed is an alert of its own."""

    def forget(self, alert: Alert, /) -> None:
        """Take note that it is no longer watched; it must not be said to have ended."""

    def run_again(self, directory: str, /) -> None:
        """Take note that the run there goes on: what an earlier runner was told of it is over."""

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
        words = f"{alert.severity}: {alert.summary}"
        if alert.ended is not None:
            words = f"resolved after {format_duration(alert.ended - alert.began)}; it was: {alert.summary}"
        self._log(alert, words, facts=facts_line(alert) if alert.ended is None else "")

    def hold(self, alert: Alert) -> None:
        """Log that it goes on."""
        self._log(alert, f"not resolved: {alert.summary}")

    def forget(self, alert: Alert) -> None:
        """Log that nobody knows; what failed has failed."""
        if alert.name not in FAILURES:
            words = f"no longer watched, and not seen to end; it was: {alert.summary}"
            self._log(alert, words)

    def _log(self, alert: Alert, words: str, *, facts: str = "") -> None:
        place = " ".join(f"{name}={text}" for name, text in alert.labels.items() if text)
        self.log(clean_label(f"foldwatch alert: {words} [{alert.name} {place}]{facts}"))

    def run_again(self, _: str) -> None:
        """There is nothing to say: nobody is waiting for it."""

    def repeat(self) -> None:
        """Logged once is enough."""

    def stop(self) -> None:
        """There is nothing to wait for."""


@dataclass(slots=True)
class Command:
    """A program that gets the alert as JSON on its standard input and in FOLDWATCH_ALERT_*."""

    arguments: Sequence[str]
    name: str = "command"
    is_over: bool = False
    process: subprocess.Popen[bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while ``process`` changes: another thread may stop it."""

    def send(self, alert: Alert) -> None:
        """Run it and wait; a failure is its exit code. Its process group ends with it. Raises OSError."""
        environment = {
            "FOLDWATCH_ALERT_STATUS": _status(alert),
            "FOLDWATCH_ALERT_NAME": alert.name,
            "FOLDWATCH_ALERT_SEVERITY": alert.severity,
            "FOLDWATCH_ALERT_SUMMARY": alert.summary.replace("\0", ""),
        }
        process = self._begin(json.dumps(webhook_content(alert)).encode(), environment)
        try:
            self._wait_for(process.pid)
        finally:
            with self.lock:
                self._kill()
                self.process = None
            process.wait()
        if process.returncode:
            raise OSError(f"exit code {process.returncode}")

    def hold(self, _: Alert) -> None:
        """There is nothing to say: it was sent, and has not ended."""

    def forget(self, _: Alert) -> None:
        """There is nothing to say: it has not ended."""

    def run_again(self, _: str) -> None:
        """There is nothing to say: what was sent then is not known any more."""

    def repeat(self) -> None:
        """It was sent."""

    def stop(self) -> None:
        """End the one that runs, with its process group."""
        with self.lock:
            self.is_over = True
            self._kill()

    def _begin(self, content: bytes, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.lock, _in_memory(content) as descriptor:
            if self.is_over:
                raise OSError("not run any more")
            self.process = subprocess.Popen(
                self.arguments,
                stdin=descriptor,
                env=child_environment() | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends the run; its last alert is still sent
            )
            return self.process

    def _kill(self) -> None:
        """Kill its group. It is not reaped yet: its number, and so the group's, is no other's until then."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _wait_for(self, pid: int) -> None:
        """Wait until the process has ended, but do not reap it."""
        ends = time.monotonic() + COMMAND_SECONDS
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if self.is_over:
                raise InterruptedError("killed at foldwatch's end")
            if time.monotonic() > ends:
                raise TimeoutError(f"killed after {COMMAND_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Give a descriptor to read ``content`` from: a pipe would have to be written to while it is read."""
    descriptor = os.memfd_create("foldwatch-alert")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


class Webhook:
    """An address that takes Alertmanager's webhook format, version 4."""

    name = "webhook"

    def __init__(self, url: str, *, option: str = "--alert-webhook") -> None:
        """Raises InputError if ``url`` is no http or https address."""
        self._url = checked_address(url, option)

    def send(self, alert: Alert) -> None:
        """POST it. Raises OSError."""
        post(self._url, webhook_content(alert))

    def hold(self, _: Alert) -> None:
        """There is nothing to say: it was sent, and has not ended."""

    def forget(self, _: Alert) -> None:
        """There is nothing to say: it has not ended."""

    def run_again(self, _: str) -> None:
        """There is nothing to say: what was sent then is not known any more."""

    def repeat(self) -> None:
        """It was sent."""

    def stop(self) -> None:
        """A request ends with its thread."""


class Alertmanager:
    """Alertmanager's v2 API; the labels are those of grafana/rules, so both ways make one alert."""

    name = "alertmanager"

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        """Raises InputError if ``url`` is no http or https address."""
        self._url = checked_address(url, "--alertmanager").rstrip("/") + "/api/v2/alerts"
        self._clock = clock
        self._active: dict[tuple[object, ...], Alert] = {}

    def send(self, alert: Alert) -> None:
        """POST it, and go on repeating it until it ends. Raises OSError."""
        key = (alert.name, *sorted(alert.labels.items()))
        if alert.ended is None:
            self._active[key] = alert
        else:
            self._active.pop(key, None)
        post(self._url, [self._content(alert)])

    def hold(self, alert: Alert) -> None:
        """POST it with how the run ended, and go on repeating it. Raises OSError."""
        self.send(alert)

    def forget(self, alert: Alert) -> None:
        """POST it once more, to stay as long as it says, and repeat it no more. Raises OSError."""
        self._active.pop((alert.name, *sorted(alert.labels.items())), None)
        post(self._url, [self._content(alert)])

    def run_again(self, directory: str) -> None:
        """Ask for what it holds of the run in ``directory``, and POST that it has ended. Raises OSError."""
        held = fetch(f"{self._url}?{urlencode({'filter': OWN_ALERTS})}")
        own = [one for one in held if _is_of(one, directory)] if isinstance(held, list) else []
        if own:
            kept = ("labels", "annotations", "startsAt")
            ends = {"endsAt": _rfc3339(self._clock())}
            post(
                self._url, [{name: one[name] for name in kept if name in one} | ends for one in own]
            )

    def repeat(self) -> None:
        """POST all that is active. Raises OSError."""
        if self._active:
            post(self._url, [self._content(alert) for alert in self._active.values()])

    def stop(self) -> None:
        """A request ends with its thread."""

    def _content(self, alert: Alert) -> dict[str, Any]:
        content = _content(alert)
        ends = alert.until or self._clock() + 5 * REPEAT_SECONDS
        if alert.ended is not None:
            ends = max(alert.ended, alert.began + SHORTEST_EPISODE_SECONDS)
        return {
            "labels": content["labels"],
            "annotations": content["annotations"],
            "startsAt": content["startsAt"],
            "endsAt": _rfc3339(ends),
        }


_ON_THE_LINE = {
    "command_now": "now",
    "fold": "fold",
    "stage": "stage",
    "rank": "rank",
    "pid": "pid",
    "run_directory": "in",
    "page": "page",
}
"""What stands behind an alert's line of its facts, each by its word there."""


def facts_line(alert: Alert) -> str:
    """Return what helps at once, for the end of a line."""
    known = [
        f"{word} {alert.facts[name]}"
        for name, word in _ON_THE_LINE.items()
        if name in alert.facts and not alert.labels.get(name)
    ]
    return f"; {', '.join(known)}. {alert.description}" if known else ""


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
        "externalURL": alert.facts.get("page", ""),
        "alerts": [content],
    }


def _is_of(alert: object, directory: str) -> bool:
    """Whether an alert, as Alertmanager's API has it, is of the run in ``directory``."""
    annotations = alert.get("annotations") if isinstance(alert, dict) else None
    return isinstance(annotations, dict) and annotations.get("run_directory") == directory


def _content(alert: Alert) -> dict[str, Any]:
    labels = {"alertname": alert.name, "severity": alert.severity, **alert.labels}
    now = f"Now: {alert.facts['command_now']}." if "command_now" in alert.facts else ""
    return {
        "status": _status(alert),
        # An empty label is no label to Prometheus and Alertmanager.
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": {
            "summary": alert.summary,
            "description": f"{now} {alert.description}" if now else alert.description,
            **alert.facts,
        },
        "startsAt": _rfc3339(alert.began),
        # Go's zero time is what Alertmanager sends for "not ended".
        "endsAt": "0001-01-01T00:00:00Z" if alert.ended is None else _rfc3339(alert.ended),
        "generatorURL": alert.facts.get("page", ""),
    }


def _status(alert: Alert) -> str:
    return "firing" if alert.ended is None else "resolved"


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
