"""``foldwatch alert``: tries the ways to send alerts before they are needed."""

from __future__ import annotations

from typing import Annotated

import typer

from foldwatch.commands.options import AlertCommand, AlertmanagerUrl, AlertWebhooks, Otlp
from foldwatch.running import alert_options
from foldwatch.terminal import print_output
from telemetry.alerts.dispatch import send_test, ways
from telemetry.errors import InputError
from telemetry.otlp.export import try_out
from telemetry.thread_line import clean_label

app = typer.Typer()


@app.command()
def alert(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test alert; its end is not sent.")
    ] = False,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhooks = None,
    alertmanager: AlertmanagerUrl = None,
    otlp: Otlp = None,
) -> None:
    """Send one test alert in every way that the options name, and say what came of each."""
    if not test:
        raise InputError("alert: --test is missing; without it there is nothing to send")
    found = ways(**alert_options(alert_command, alert_webhook, alertmanager))
    if not found and not otlp:
        raise InputError(
            "alert --test: no way to send it; give --alert-command, --alert-webhook, --alertmanager or --otlp"
        )
    failures = [_print_result(option, send_test(sink)) for option, sink in found]
    failures += [_print_result(option, why) for option, why in try_out(otlp)] if otlp else []
    if any(failures):
        raise typer.Exit(1)


def _print_result(option: str, why: str | None) -> bool:
    """Print what came of sending by ``option``; return whether it failed."""
    print_output(clean_label(f"{option}: {'sent' if why is None else f'failed: {why}'}"))
    return why is not None
