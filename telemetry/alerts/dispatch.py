"""From the alert options of a command to the `AlertEngine` that serves them."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypedDict

from telemetry.alerts.engine import AlertEngine
from telemetry.alerts.notifier import Notifier
from telemetry.alerts.sinks import Alertmanager, Command, ConsoleSink, Sink, Webhook
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class AlertOptions(TypedDict, total=False):
    """Whom to tell, beside standard error: the arguments of `alerting` from the command line."""

    command: str | None
    webhooks: Sequence[str]
    alertmanager: str | None


@contextmanager
def alerting(
    *,
    command: str | None = None,
    webhooks: Sequence[str] = (),
    alertmanager: str | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[AlertEngine]:
    """Give an engine that writes to ``log`` (standard error by default) and whom the options name.

    Its thread starts here. At the end, what is still to be sent is sent within seconds; what still
    holds is not said to have ended. Raises InputError for an option that cannot be used.
    """
    log_line = _to_stderr if log is None else log
    sinks: list[Sink] = [ConsoleSink(log_line)]
    if alertmanager is not None:
        sinks.append(Alertmanager(alertmanager))
    sinks += map(Webhook, webhooks)
    if command is not None:
        sinks.append(Command(_words(command)))
    notifier = Notifier(sinks, log=log_line)
    engine = AlertEngine(notifier)
    try:
        yield engine
    finally:
        engine.close(time.time())
        notifier.close()


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"--alert-command: {error}") from error
    if not words:
        raise InputError("--alert-command: there is no command in it")
    return words


def _to_stderr(line: str) -> None:
    # In one write: print() writes the newline by itself, and another thread may come in between.
    print(f"{line}\n", end="", file=sys.stderr, flush=True)
