"""The command ``foldwatch serve``: arguments in, a daemon until SIGTERM.

Here, and not in telemetry, because the verdict so far is the analyzer's.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from foldwatch.commands.options import AlertCommand, AlertmanagerUrl, AlertWebhook
from telemetry.alerts.dispatch import alerting
from telemetry.daemon.daemon import Daemon
from telemetry.daemon.live_state import LiveState
from telemetry.errors import InputError, MissingExtraError
from telemetry.metrics.textfile import Textfile, replace_file
from telemetry.web.auth import Credentials, is_loopback
from telemetry.web.bind import ListenConfig
from telemetry.web.file_sd import targets
from trainer.runner.growth_so_far import judge_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.alerts.engine import AlertEngine
    from telemetry.snapshot import Snapshot
    from telemetry.web.server import WebServer

app = typer.Typer()
SWITCH_SECONDS = 0.0005
"""How soon the thread that collects makes way for the one that answers; 5 ms is Python's own."""


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - typer makes an option of each argument
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Where the runs are.")] = ".",
    address: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 9464,
    user: Annotated[
        str | None,
        typer.Option(
            help="Ask for this name and a password: --password-file or $FOLDWATCH_PASSWORD."
        ),
    ] = None,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Its first line is the password.")
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Its first line is a bearer token; or $FOLDWATCH_TOKEN."),
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option(metavar="FILE", help="Serve HTTPS with this certificate (PEM) ...")
    ] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="FILE", help="... and its key.")] = None,
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Let everybody in who reaches the address.")
    ] = False,
    textfile: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Also write the metrics to FILE.prom, for node_exporter."
        ),
    ] = None,
    file_sd: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write FILE.json, from which Prometheus takes the target."
        ),
    ] = None,
    alert_command: AlertCommand = None,
    alert_webhook: AlertWebhook = None,
    alertmanager: AlertmanagerUrl = None,
) -> None:
    """Follow every run below DIR; serve Prometheus metrics and a live page."""
    if not os.path.isdir(directory):
        raise InputError(f"{directory}: not a directory; name the one that the runs are in")
    _check_name(textfile, "--textfile", ".prom")
    _check_name(file_sd, "--file-sd", ".json")
    try:
        from telemetry.web.server import WebServer  # noqa: PLC0415 - an extra that may be missing
    except ImportError as error:
        raise MissingExtraError(f"{error.name} is missing", extra="serve") from error
    listening = ListenConfig(
        address=address,
        port=port,
        access=_access(user, password_file, token_file),
        certificate=tls_cert,
        key=tls_key,
    )
    _check_exposure(listening, is_open_meant=allow_anonymous)
    with alerting(
        command=alert_command, webhook=alert_webhook, alertmanager=alertmanager
    ) as alerts:
        board = LiveState(alerts=lambda: alerts.active)
        try:
            server = WebServer(board, listening)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"{address}:{port}: {why}") from error
        try:
            if file_sd is not None:
                _write(file_sd, targets(listening, port=server.port), "--file-sd")
            if textfile is not None:
                _write(textfile, board.exposition.text(is_open_metrics=False), "--textfile")
            _run(directory, board, server, Textfile(textfile), alerts)
        finally:
            server.stop()


def _check_name(path: str | None, option: str, ending: str) -> None:
    if path is not None and not path.endswith(ending):
        raise InputError(f"{option} {path}: who reads it takes only names that end in {ending}")


def _access(user: str | None, password_file: str | None, token_file: str | None) -> Credentials:
    """Put the credentials together: secrets come from files or the environment, never from argv."""
    password = _secret(password_file, "FOLDWATCH_PASSWORD")
    if (user is None) != (password is None):
        raise InputError(
            "a name and a password go together: --user, and --password-file or FOLDWATCH_PASSWORD"
        )
    return Credentials(user=user, password=password, token=_secret(token_file, "FOLDWATCH_TOKEN"))


def _secret(path: str | None, variable: str) -> str | None:
    if path is None:
        return os.environ.get(variable) or None
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.readline().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not secret:
        raise InputError(f"{path}: its first line is empty, and would let everybody in")
    return secret


def _check_exposure(listening: ListenConfig, *, is_open_meant: bool) -> None:
    if (listening.certificate is None) != (listening.key is None):
        raise InputError("a certificate and its key go together: --tls-cert and --tls-key")
    if listening.access.is_open and not is_open_meant and not is_loopback(listening.address):
        raise InputError(
            f"--address {listening.address}: others reach it, so ask for a password (--user) or a"
            " token (--token-file), or say --allow-anonymous"
        )


def _run(
    directory: str, board: LiveState, server: WebServer, textfile: Textfile, alerts: AlertEngine
) -> None:
    """Collect until SIGTERM or Ctrl-C; this thread collects, the server's own one answers."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_SECONDS)

    def publish(snapshots: Sequence[Snapshot]) -> None:
        board.publish(snapshots, daemon.histories())
        alerts.observe(snapshots, time.time())
        textfile.write(board.exposition.text(is_open_metrics=False))

    daemon = Daemon(directory, judge=judge_run, on_publish=publish)
    try:
        daemon.collect()
        server.start()
        # In one write: the thread that logs alerts may write in between.
        print(f"serving {server.url}\n", end="", file=sys.stderr, flush=True)
        daemon.run(stop)
    finally:
        textfile.remove()


def _write(path: str, content: bytes, option: str) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}") from error
