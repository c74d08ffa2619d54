"""From the alert options of a command to the `AlertEngine` that serves them."""

from __future__ import annotations

import socket
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypedDict, Unpack

from telemetry.alerts.alert import Alert, Severity
from telemetry.alerts.command_line import command_words
from telemetry.alerts.engine import HOLD_SECONDS, AlertEngine
from telemetry.alerts.notifier import SINK_ERRORS, Notifier
from telemetry.alerts.sinks import Alertmanager, Command, ConsoleSink, Sink, Webhook
from telemetry.alerts.told_failures import ToldFailures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


HOLD_HOURS = HOLD_SECONDS / 3600


class AlertOptions(TypedDict, total=False):
    """Whom to tell, beside standard error: the arguments of `alerting` from the command line."""

    command: str | None
    webhooks: Sequence[str]
    alertmanager: str | None
    hold_hours: float
    """For how long an alert goes on whose run died of it, and a failure is told."""


@contextmanager
def alerting(
    *,
    log: Callable[[str], None] | None = None,
    told_file: str | None = None,
    also: Callable[[Alert], None] = lambda _: None,
    **options: Unpack[AlertOptions],
) -> Iterator[AlertEngine]:
    """Give an engine that writes to ``log`` (standard error by default) and whom the options name.

    Its thread starts here. At the end, what is still to be sent is sent within seconds; what still
    holds is not said to have ended. ``told_file`` keeps which failures were told; ``also`` gets each alert, too, and must
    not block. Raises InputError for an option that cannot be used.
    """
    log_line = to_stderr if log is None else log
    sinks = [ConsoleSink(log_line), *(sink for _, sink in ways(**options))]
    notifier = Notifier(sinks, log=log_line)
    hold_seconds = 3600 * options.get("hold_hours", HOLD_HOURS)

    def send(alert: Alert) -> None:
        notifier(alert)
        also(alert)

    engine = AlertEngine(
        send,
        hold_seconds=hold_seconds,
        run_again=notifier.run_again,
        told=ToldFailures(told_file, log=log_line),
    )
    try:
        yield engine
    finally:
        engine.close(time.time())
        notifier.close()


def ways(
    *,
    command: str | None = None,
    webhooks: Sequence[str] = (),
    alertmanager: str | None = None,
    **_: object,
) -> list[tuple[str, Sink]]:
    """Return the ways to send an alert that the options name, each after its option. Raises InputError."""
    found: list[tuple[str, Sink]] = []
    if alertmanager is not None:
        found.append(("--alertmanager", Alertmanager(alertmanager)))
    for number, url in enumerate(webhooks, start=1):
        which = f" ({number} of {len(webhooks)})" if len(webhooks) > 1 else ""
        found.append((f"--alert-webhook{which}", Webhook(url)))
    if command is not None:
        found.append(("--alert-command", Command(command_words(command))))
    return found


def send_test(sink: Sink) -> str | None:
    """Send one alert that says it is a test; return why it could not be sent."""
    alert = Alert(
        name="FoldwatchTest",
        severity=Severity.WARNING,
        labels={"run": "test", "host": socket.gethostname(), "rank": "", "fold": ""},
        summary="this is a test of how foldwatch sends alerts: nothing is wrong",
        description="Nothing is to be done; nobody sends an end of it.",
        began=time.time(),
    )
    try:
        sink.send(alert)
    except SINK_ERRORS as error:
        return str(error) or type(error).__name__
    return None


def to_stderr(line: str) -> None:
    """Write one line."""
    # In one write: print() writes the newline by itself, and another thread may come in between.
    print(f"{line}\n", end="", file=sys.stderr, flush=True)
