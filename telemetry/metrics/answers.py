"""`MetricsAnswers`: HTTP for a few clients in one thread, of whom none can keep another waiting."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from telemetry.kernel.kernel_file import file_identity

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

REQUEST_SECONDS = 5.0
"""From when a client is accepted to when it has taken its answer."""
HEAD_BYTES = 16 * 1024
MOST_CLIENTS = 50
"""The training needs its descriptors itself; of more clients, the one that came first makes room."""


_FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

logger = logging.getLogger("foldwatch")


class HeldSocket:
    """A descriptor, and which file it was of: the training may have closed it, and have a file of its own there by now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._file = descriptor, file_identity(descriptor)

    def close(self) -> None:
        """Close it, if it is the same file still."""
        if self._file is not None and file_identity(self._descriptor) == self._file:
            os.close(self._descriptor)


class MetricsAnswers:
    """Answers each client in turn as its request is whole, all in one thread."""

    def __init__(self, app: Callable[..., Any], listening: socket.socket) -> None:
        self._app = app
        self._listening = listening
        self._held = HeldSocket(listening.fileno())
        self._clients: dict[asyncio.StreamWriter, HeldSocket] = {}
        self._has_warned = False

    def run(self) -> None:
        """Answer for good."""
        asyncio.run(self._serve())

    def let_go(self) -> None:
        """In a forked child, close the copies of the sockets: nobody answers there.

        That one would hold the port when its parent has ended, the others a client that waits for the end. Nothing else
        is done to them there: what the parent's event loop has registered is the same for both.
        """
        for held in (self._held, *tuple(self._clients.values())):
            held.close()

    async def _serve(self) -> None:
        # A client that goes away, or a descriptor that is not to be had, is not the training's business.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(
            self._attend, sock=self._listening, limit=HEAD_BYTES, backlog=MOST_CLIENTS
        )
        await server.serve_forever()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(self._clients) >= MOST_CLIENTS:
            first = next(iter(self._clients))
            del self._clients[first]
            first.transport.abort()
        self._clients[writer] = HeldSocket(writer.get_extra_info("socket").fileno())
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            self._clients.pop(writer, None)
            writer.transport.abort()

    def _answer(self, head: bytes) -> bytes:
        """Return the whole answer to a request. Raises ValueError if it is none."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        path, _, query = target.partition("?")
        headers = {
            name.strip().lower(): text.strip()
            for name, _, text in (x.partition(":") for x in lines)
        }
        environment = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "HTTP_ACCEPT": headers.get("accept", ""),
            "HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", ""),
        }
        return self._asked_safely(environment)

    def _asked_safely(self, environment: dict[str, str]) -> bytes:
        """Ask the application; where it fails, say so to the client, and once in the log."""
        try:
            return self._asked(environment)
        except (TypeError, ValueError):  # a version of OpenMetrics that is no number
            environment = environment | {"HTTP_ACCEPT": ""}
        except Exception as error:  # noqa: BLE001 - the client is to know, and the next one to be answered
            return self._failed(error)
        try:
            return self._asked(environment)
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(error)

    def _failed(self, error: Exception) -> bytes:
        if not self._has_warned:
            self._has_warned = True
            with suppress(Exception):  # a handler of the user's may raise
                words = "foldwatch: /metrics cannot be rendered: %s: %s; it is answered with 500"
                logger.warning(words, type(error).__name__, error)
        return _FAILED

    def _asked(self, environment: dict[str, str]) -> bytes:
        said: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            said.extend([f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in headers)])

        body = b"".join(self._app(environment, start_response))
        said += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return "\r\n".join(said).encode("latin-1") + body
