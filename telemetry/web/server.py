"""The web server: one thread, over HTTP or HTTPS, that no slow client can hold up.

Bounds on the cost of a client: a request's head of HEAD_BYTES within HEAD_SECONDS from when it was
accepted, the handshake of TLS included, an answer taken within ANSWER_SECONDS, no body. Connections are
counted from when they are accepted, so that uvicorn is given a socket without TLS.

uvicorn's own settings have a deadline between requests only, and answer 503 when there are too many
connections, so its protocol class is extended here. uvicorn does not document that class: the
requirement in pyproject.toml has an upper bound, and tests/telemetry/web/test_uvicorn.py fails when the
names used here are gone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import resource
import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from telemetry.daemon.live_state import LiveState
from telemetry.errors import InputError
from telemetry.web.app import application
from telemetry.web.auth import is_loopback
from telemetry.web.bind import ListenConfig, at

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from telemetry.alerts.alert import Alert
    from telemetry.snapshot import Snapshot

logger = logging.getLogger("foldwatch")

HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 5.0
KEEP_SECONDS = 5
"""How long an answered connection may stay without another request."""
ANSWER_SECONDS = 30.0
FINISH_SECONDS = 1.0
"""How long an answer that is under way may take once the server is to end; uvicorn would cancel it with a traceback."""
MOST_CONNECTIONS = 800
"""Under the 1,024 descriptors that a process may have by default; of more, the idlest makes room."""
OTHER_DESCRIPTORS = 100
"""What else needs descriptors, where fewer are allowed."""
ACCEPTED_AT_ONCE = 50
"""Between two looks at how many there are."""
WAITING_CONNECTIONS = 512
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
LOG_SECONDS = 60.0


class _Protocol(H11Protocol):
    """uvicorn's own, with a deadline for every phase: it has one between requests only.

    Invariant: no more than MOST_CONNECTIONS, and who comes with a request finds a place.
    """

    _deadline: asyncio.TimerHandle | None = None
    idle_since = 0.0
    """When it came, or was answered last, in the loop's time; set before it is connected if TLS came first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        make_room(self.connections)
        now = self.loop.time()
        self.idle_since = self.idle_since or now
        super().connection_made(transport)
        self._allow(max(0.0, self.idle_since + HEAD_SECONDS - now))

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

    def _allow(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)


class _TlsGate(asyncio.Protocol):
    """A connection from its acceptance to the end of its TLS handshake, when uvicorn's protocol takes over."""

    def __init__(self, protocol: _Protocol, context: ssl.SSLContext) -> None:
        self.idle_since = protocol.loop.time()
        self.transport: asyncio.Transport
        self._protocol = protocol
        self._context = context
        self._early = b""
        """What came with the end of the handshake."""
        self._is_lost = False
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        make_room(self._protocol.connections)
        self.transport = transport  # type: ignore[assignment] # of a stream socket
        self._protocol.connections.add(self)  # type: ignore[arg-type] # it has what is used of them
        self._handshake = self._protocol.loop.create_task(self._shake_hands())

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, _: Exception | None) -> None:
        self._is_lost = True

    def is_answering(self) -> bool:
        return False

    def shutdown(self) -> None:
        """End it; called by uvicorn at its end."""
        self.transport.abort()

    async def _shake_hands(self) -> None:
        protocol = self._protocol
        try:
            secured = await protocol.loop.start_tls(
                self.transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HEAD_SECONDS,
            )
        except OSError:  # no TLS, or none in time
            self.transport.abort()
            return
        finally:
            protocol.connections.discard(self)
        if secured is None or self._is_lost:
            return
        protocol.idle_since = self.idle_since
        protocol.connection_made(secured)
        secured.set_protocol(protocol)
        if self._early:
            protocol.data_received(self._early)


def make_room(connections: set[Any]) -> None:
    """If there are too many, end the one that has been without a whole head for longest, else the oldest."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if len(connections) < max(1, min(MOST_CONNECTIONS, allowed - OTHER_DESCRIPTORS)):
        return
    ours = (one for one in connections if isinstance(one, _Protocol | _TlsGate))
    idlest = min(ours, key=lambda one: (one.is_answering(), one.idle_since))
    connections.discard(idlest)
    idlest.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn's own, that accepts few connections at once, and says in one line that it has no descriptor."""

    _said_at = -math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(
                WAITING_CONNECTIONS
            )  # uvicorn's backlog is also how many are accepted at once

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(FINISH_SECONDS, self._abort_all)
        await super().shutdown(sockets)

    def _abort_all(self) -> None:
        for connection in [*self.server_state.connections]:
            connection.transport.abort()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self.should_exit and isinstance(error, ValueError):
            return  # asyncio listens again a second after it had no descriptor, on a socket that is closed by now
        if not isinstance(error, OSError) or error.errno not in NO_DESCRIPTOR:
            loop.default_exception_handler(context)
        elif loop.time() - self._said_at > LOG_SECONDS:
            self._said_at = loop.time()
            logger.warning("foldwatch: connections have to wait: %s", error.strerror)


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
            backlog=ACCEPTED_AT_ONCE,
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
        _put_behind_tls(config)
        self._socket = socket.create_server(
            (listening.address, listening.port), family=family, backlog=WAITING_CONNECTIONS
        )
        self.port: int = self._socket.getsockname()[1]
        self.url = f"{listening.scheme}://{at(listening.address, self.port)}/"
        self._server = _Server(config)
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


def _put_behind_tls(config: uvicorn.Config) -> None:
    """Have uvicorn listen without TLS, and each connection begin with a gate, if there is a certificate."""
    context, config.ssl = config.ssl, None
    if context is not None:
        config.http_protocol_class = lambda **options: _TlsGate(_Protocol(**options), context)  # type: ignore[assignment] # it is only called


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
