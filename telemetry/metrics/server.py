"""The metrics port of a single process: one thread that answers /metrics.

A scrape renders the values that are there: it reads nothing and never waits. prometheus-client is
loaded when something is served, not when this module is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from telemetry.metrics.collector import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry.snapshot import Snapshot


class _Handler(WSGIRequestHandler):
    timeout = 5
    """Seconds that a slow client may hold the one serving thread."""

    def log_message(self, *_: object) -> None:
        """A scrape is not worth a line in the training's log."""


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """Bind without WSGIServer's look-up of the host's full name, which may wait for DNS."""
        self.allow_reuse_address = True
        super(WSGIServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """A client that went away is not the training's business."""


def serve(snapshot: Callable[[], Snapshot], *, port: int, address: str = "127.0.0.1") -> int:
    """Serve /metrics from one thread that starts now, and return the port (a free one for 0).

    One thread, not one per request: a process at its thread limit still answers. Text or
    OpenMetrics by the Accept header. Raises OSError if the address cannot be bound.
    """
    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - see the module's text

    server = _Server((address, port), _Handler)
    server.set_app(make_wsgi_app(registry(snapshot)))
    thread = threading.Thread(target=server.serve_forever, name="foldwatch-http", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        server.server_close()
        raise
    return server.server_port
