"""The options that say who is told of alerts, for every command that watches a run.

Owns their names, their help and the way from them to an `AlertEngine`. It must not know the commands.
"""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from telemetry.alerts import AlertEngine
from telemetry.errors import InputError
from telemetry.notify import Alertmanager, Command, Lines, Notifier, Sink, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AlertCommand: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="FOLDWATCH_ALERT_COMMAND",
        metavar="COMMAND",
        help="Run this for each alert, with the alert as JSON on its standard input.",
    ),
]
AlertWebhook: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="FOLDWATCH_ALERT_WEBHOOK",
        metavar="URL",
        help="POST each alert there, in the format of Alertmanager's webhooks.",
    ),
]
AlertmanagerUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--alertmanager",
        envvar="FOLDWATCH_ALERTMANAGER",
        metavar="URL",
        help="Send alerts to this Alertmanager.",
    ),
]


@contextmanager
def alerting(
    *,
    command: str | None = None,
    webhook: str | None = None,
    alertmanager: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[AlertEngine]:
    """Give an engine that tells ``say`` (standard error by default) and whom the options name.

    Its thread starts here. At the end what is active is ended, and told within seconds. Raises
    InputError for an option that cannot be used.
    """
    tell_line = _to_stderr if say is None else say
    sinks: list[Sink] = [Lines(tell_line)]
    if alertmanager is not None:
        sinks.append(Alertmanager(alertmanager))
    if webhook is not None:
        sinks.append(Webhook(webhook))
    if command is not None:
        sinks.append(Command(_words(command)))
    notifier = Notifier(sinks, say=tell_line)
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
    print(line, file=sys.stderr, flush=True)
