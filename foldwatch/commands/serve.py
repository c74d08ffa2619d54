"""``foldwatch serve``: follows every run below a directory until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import typer

from foldwatch.commands.options import (
    Address,
    AlertCommand,
    AlertHold,
    AlertmanagerUrl,
    AlertWebhooks,
    AllowAnonymous,
    Directory,
    FileSd,
    Otlp,
    PasswordFile,
    ServePort,
    TextfileOutput,
    TlsCert,
    TlsKey,
    TokenFile,
    User,
    Watch,
)
from foldwatch.credentials import credentials
from foldwatch.running import alert_options
from telemetry.alerts.dispatch import HOLD_HOURS, alerting
from telemetry.daemon.daemon import Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.errors import InputError, MissingExtraError
from telemetry.metrics.textfile import Textfile, replace_file
from telemetry.otlp.export import exporting
from telemetry.web.auth import is_loopback
from telemetry.web.bind import ListenConfig
from telemetry.web.file_sd import targets
from trainer.attach.process_watch import ProcessWatch
from trainer.runner.growth_so_far import judge_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.alerts.engine import AlertEngine
    from telemetry.snapshot import Snapshot
    from telemetry.web.server import WebServer

app = typer.Typer()
SWITCH_SECONDS = 0.0005
"""The interpreter's thread switch interval, so answers do not wait for collecting; Python's default is 5 ms."""
TOLD = ".foldwatch-told.json"
"""In the directory of the runs: which failures were told."""


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    directory: Directory = ".",
    watch: Watch = None,
    address: Address = "127.0.0.1",
    port: ServePort = 9464,
    user: User = None,
    password_file: PasswordFile = None,
    token_file: TokenFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    allow_anonymous: AllowAnonymous = False,
    textfile: TextfileOutput = None,
    file_sd: FileSd = None,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhooks = None,
    alertmanager: AlertmanagerUrl = None,
    alert_hold: AlertHold = HOLD_HOURS,
    otlp: Otlp = None,
) -> None:
    """Follow every run below DIR; serve Prometheus metrics and a live page."""
    if not os.path.isdir(directory):
        raise InputError(f"{directory}: not a directory; name the one that the runs are in")
    _check_suffix(textfile, "--textfile", ".prom")
    _check_suffix(file_sd, "--file-sd", ".json")
    listening = ListenConfig(
        address=address,
        port=port,
        access=credentials(user, password_file, token_file),
        certificate=tls_cert,
        key=tls_key,
    )
    _check_exposure(listening, is_anonymous_allowed=allow_anonymous)
    options = alert_options(alert_command, alert_webhook, alertmanager, alert_hold)
    with (
        exporting(otlp) as export,
        alerting(**options, told_file=os.path.join(directory, TOLD), also=export.alert) as alerts,
    ):
        state = LiveState(alerts=lambda: alerts.active)
        server = _make_server(state, listening)
        alerts.page = server.url.rstrip("/")
        try:
            if file_sd is not None:
                _write(file_sd, targets(listening, port=server.port), "--file-sd")
            if textfile is not None:
                _write(textfile, state.exposition.text(is_open_metrics=False), "--textfile")
            watching = None if watch is None else ProcessWatch(watch, directory)
            export.watch(lambda: state.snapshots)
            _run(directory, state, server, Textfile(textfile), alerts, watching)
        finally:
            server.stop()


def _make_server(state: LiveState, listening: ListenConfig) -> WebServer:
    """Bind the server, before any file is written.

    Raises:
        MissingExtraError: The extra ``serve`` is not installed.
        InputError: The address cannot be listened on.
    """
    try:
        from telemetry.web.server import WebServer  # noqa: PLC0415 - an extra that may be missing
    except ImportError as error:
        raise MissingExtraError(f"{error.name} is missing", extra="serve") from error
    try:
        return WebServer(state, listening)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{listening.address}:{listening.port}: {reason}") from error


def _check_suffix(path: str | None, option: str, suffix: str) -> None:
    if path is not None and not path.endswith(suffix):
        raise InputError(f"{option} {path}: the name must end in {suffix}")


def _check_exposure(listening: ListenConfig, *, is_anonymous_allowed: bool) -> None:
    if (listening.certificate is None) != (listening.key is None):
        raise InputError("a certificate and its key go together: --tls-cert and --tls-key")
    if listening.access.is_open and not is_anonymous_allowed and not is_loopback(listening.address):
        raise InputError(
            f"--address {listening.address}: others can reach it; require a password (--user) or a"
            " token (--token-file), or pass --allow-anonymous"
        )


def _run(  # noqa: PLR0913, PLR0917 - the parts of a daemon
    directory: str,
    state: LiveState,
    server: WebServer,
    textfile: Textfile,
    alerts: AlertEngine,
    watching: ProcessWatch | None,
) -> None:
    """Collect until SIGTERM or Ctrl-C; this thread collects, the server's own one answers."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_SECONDS)

    def publish(snapshots: Sequence[Snapshot]) -> None:
        state.publish(snapshots, daemon.histories())
        alerts.observe(snapshots, time.time(), steady=time.monotonic())
        textfile.write(state.exposition.text(is_open_metrics=False))

    daemon = Daemon(directory, judge=judge_run, on_publish=publish)
    try:
        daemon.collect()
        server.start()
        # In one write: the thread that logs alerts may write in between.
        print(f"serving {server.url}\n", end="", file=sys.stderr, flush=True)
        if watching is not None:
            threading.Thread(
                target=watching.run, args=(stop,), name="foldwatch-watch", daemon=True
            ).start()
        daemon.run(stop)
    finally:
        textfile.remove()


def _write(path: str, content: bytes, option: str) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}") from error
