"""The web server: one thread, over HTTP or HTTPS, that no slow client can hold up.

Bounds on the cost of a client: a request's head of HEAD_BYTES within HEAD_SECONDS, an answer taken
within ANSWER_SECONDS, no body.

uvicorn's own settings have a deadline between requests only, and answer 503 when there are too many
connections, so its protocol class is extended here. uvicorn does not document that class: the
requirement in pyproject.toml has an upper bound, and tests/telemetry/web/test_uvicorn.py fails when the
names used here are gone.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from telemetry.daemon.live_state import LiveState
from telemetry.errors import InputError
from telemetry.web.app import application
from telemetry.web.auth import is_loopback
from telemetry.web.bind import ListenConfig, at

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from telemetry.alerts.alert import Alert
    from telemetry.snapshot import Snapshot

HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 5.0
KEEP_SECONDS = 5
"""How long an answered connection may stay without another request."""
ANSWER_SECONDS = 30.0
MOST_CONNECTIONS = 900
"""Under the 1,024 descriptors that a process may have by default; of more, the idlest makes room."""


class _Protocol(H11Protocol):
    """uvicorn's own, with a deadline for every phase: it has one between requests only.

    Invariant: no more than MOST_CONNECTIONS, and who comes with a request finds a place.
    """

    _deadline: asyncio.TimerHandle | None = None
    idle_since = 0.0
    """When it came, or was answered last, in the loop's time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        if len(self.connections) >= MOST_CONNECTIONS:
            self._make_room()
        self.idle_since = self.loop.time()
        super().connection_made(transport)
        self._allow(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        is_new = not self.is_answering()
        super().data_received(data)
        if self.is_answering():
            if is_new:
                self._allow(ANSWER_SECONDS)
        elif self._deadline is None and not self.transport.is_closing():
            self._allow(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.idle_since = self.loop.time()
        is_busy = self.is_answering() or self.transport.get_write_buffer_size() > 0
        self._allow(ANSWER_SECONDS if is_busy else None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._allow(None)
        super().connection_lost(exc)

    def is_answering(self) -> bool:
        """Whether a whole head came and its answer is not yet given."""
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> None:
        """End the connection that has been without a whole head for longest, else the oldest."""
        ours = (one for one in self.connections if isinstance(one, _Protocol))
        idlest = min(ours, key=lambda one: (one.is_answering(), one.idle_since))
        self.connections.discard(idlest)
        idlest.transport.abort()

    def _allow(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)


class WebServer:
    """A listening socket and, once started, the thread that answers on it."""

    def __init__(
        self,
        board: LiveState,
        listening: ListenConfig,
        *,
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Bind; ``refresh`` is called every second, once it answers.

        Raises OSError if the address cannot be bound, InputError for a bad certificate.
        """
        family = socket.AF_INET6 if ":" in listening.address else socket.AF_INET
        app = application(
            board,
            access=listening.access,
            is_loopback=is_loopback(listening.address),
            refresh=refresh,
        )
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=KEEP_SECONDS,
            timeout_graceful_shutdown=3,
            ssl_certfile=listening.certificate,
            ssl_keyfile=listening.key,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            what = f"{listening.certificate}, {listening.key}"
            raise InputError(f"{what}: not a certificate and its key: {error}") from error
        self._socket = socket.create_server(
            (listening.address, listening.port), family=family, backlog=512
        )
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{listening.scheme}://{at(listening.address, self.port)}/"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="foldwatch-http", daemon=True)

    def start(self) -> None:
        """Answer from now on. Raises RuntimeError if no thread can be started."""
        try:
            self._thread.start()
        except RuntimeError:
            self._socket.close()
            raise

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Finish the answers that are under way, and end; also if nothing was started."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._socket.close()


def serve_in_thread(
    snapshots: Callable[[], Sequence[Snapshot]],
    alerts: Callable[[], Sequence[Alert]] = tuple,
    *,
    port: int,
    address: str = "127.0.0.1",
) -> int:
    """Serve metrics and the page from inside a process, and return the port (a free one for 0).

    One thread does it all, so that nothing has to be started later, at a limit. Raises OSError if
    the address cannot be bound.
    """
    board = LiveState(alerts=alerts)
    board.publish(snapshots())
    server = WebServer(
        board,
        ListenConfig(address=address, port=port),
        refresh=lambda: board.publish(snapshots()),
    )
    server.start()
    return server.port
