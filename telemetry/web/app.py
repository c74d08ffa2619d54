"""The application: /metrics, /healthz, / with its assets, and /api/state.

Every answer is made of the board's content, in the one thread that answers: a process at its thread
limit is what the page is for. That rules out starlette's StaticFiles and GZipMiddleware, which hand
files and compression to worker threads and answer 500 when none can be started; besides, compressing
the chart library (4.6 MB) for each request took 111 ms, once for all requests 3 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import zlib
from functools import lru_cache, partial
from importlib import metadata, resources
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from telemetry.snapshot import RunKey
from telemetry.web.state_api import state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from telemetry.daemon.live_state import LiveState
    from telemetry.web.auth import Credentials

logger = logging.getLogger("foldwatch")

OPEN_PATH = "/healthz"
"""It says nothing of any run, and probes have no credentials."""
STALLED_SECONDS = 30.0
"""Without a publication for so long, /healthz answers 503."""
REFRESH_SECONDS = 1.0
PLOTLY = "plotly.min.js"
_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    PLOTLY: "text/javascript; charset=utf-8",
}
"""Every asset there is: a name that is not in it is not looked for."""
_HEADERS = {
    # Inline styles, because the chart library brings some along; scripts from here alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"]


def application(
    board: LiveState,
    *,
    access: Credentials,
    is_loopback: bool,
    refresh: Callable[[], None] = lambda: None,
) -> Starlette:
    """Return the application that shows ``board``.

    On a loopback address without credentials only a loopback name is answered to: otherwise any site
    could read it through the visitor's browser, under a name of its own that leads here.

    Args:
        board: The content of every answer.
        access: Who may ask.
        is_loopback: Whether only this machine can reach the address.
        refresh: Called every REFRESH_SECONDS, in the thread that answers.
    """
    middleware = [Middleware(AuthMiddleware, access)]
    if is_loopback and access.is_open:
        middleware.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES))
    routes = {
        "/": _page,
        "/metrics": _metrics,
        OPEN_PATH: _healthz,
        "/api/state": _state,
        "/assets/{name}": _asset,
    }
    app = Starlette(
        routes=[Route(path, answer, methods=["GET"]) for path, answer in routes.items()],
        middleware=middleware,
        lifespan=partial(_refreshing, refresh),
    )
    app.router.redirect_slashes = False
    app.state.board = board
    return app


@contextlib.asynccontextmanager
async def _refreshing(refresh: Callable[[], None], _app: Starlette) -> AsyncIterator[None]:
    """Refresh from the server's start to its end."""
    task = asyncio.create_task(_refresh_for_good(refresh))
    yield
    task.cancel()


async def _refresh_for_good(refresh: Callable[[], None]) -> None:
    is_failing = False
    while True:
        try:
            refresh()
            is_failing = False
        except Exception:
            if not is_failing:
                logger.exception("foldwatch: what is shown could not be renewed")
            is_failing = True
        await asyncio.sleep(REFRESH_SECONDS)


class AuthMiddleware:
    """The middleware that stands before the application."""

    def __init__(self, app: ASGIApp, access: Credentials) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer 401."""
        if (
            scope["type"] != "http"
            or scope["path"] == OPEN_PATH
            or self._access.allows(Headers(scope=scope).get("authorization"))
        ):
            await self._app(scope, receive, send)
            return
        refusal = PlainTextResponse(
            "who is it?\n", 401, headers={"WWW-Authenticate": self._access.challenge}
        )
        await refusal(scope, receive, send)


async def _metrics(request: Request) -> Response:
    accept = request.headers.get("accept", "")
    _, content_type = choose_encoder(accept)
    is_open_metrics = content_type.startswith("application/openmetrics-text")
    board: LiveState = request.app.state.board
    text = board.exposition.text(is_open_metrics=is_open_metrics)
    return Response(text, headers={"Content-Type": content_type, **_HEADERS})


async def _healthz(request: Request) -> Response:
    board: LiveState = request.app.state.board
    if board.clock() - board.published_at > STALLED_SECONDS:
        return PlainTextResponse("nothing was collected for a while\n", 503)
    return PlainTextResponse("ok\n")


async def _state(request: Request) -> Response:
    asked = request.query_params
    wanted = RunKey(asked.get("run", ""), asked.get("host", ""), asked.get("rank", ""))
    content = json.dumps(state(request.app.state.board, wanted), separators=(",", ":"))
    return _packed(content.encode(), "application/json", request)


async def _page(_: Request) -> Response:
    return Response(_file("index.html"), media_type="text/html", headers=_HEADERS)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return PlainTextResponse("there is no such asset\n", 404)
    if name == PLOTLY:
        answer = Response(_plotly(), media_type=_TYPES[name], headers=_HEADERS)
        answer.headers["Content-Encoding"] = "gzip"
    else:
        answer = Response(_file(name), media_type=_TYPES[name], headers=_HEADERS)
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def _packed(content: bytes, media_type: str, request: Request) -> Response:
    headers = dict(_HEADERS)
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = _gzip(content, level=1)
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=media_type, headers=headers)


def _gzip(content: bytes, *, level: int) -> bytes:
    packer = zlib.compressobj(level, wbits=31)
    return packer.compress(content) + packer.flush()


@lru_cache
def _file(name: str) -> bytes:
    return resources.files("telemetry.web").joinpath("page", name).read_bytes()


@lru_cache
def _plotly() -> bytes:
    """The chart library from its package, packed once: every browser of these years unpacks gzip."""
    path = metadata.distribution("plotly").locate_file(f"plotly/package_data/{PLOTLY}")
    with open(str(path), "rb") as file:
        return _gzip(file.read(), level=1)
