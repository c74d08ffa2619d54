"""The application: /metrics, /healthz, / with its assets, and /api/overview, /api/state, /api/host.

Every answer is made of the board's content, in threads that run from the start: a process at its thread
limit is what the page is for. That rules out starlette's StaticFiles and GZipMiddleware, which hand
files and compression to worker threads and answer 500 when none can be started; besides, compressing
the chart library (4.6 MB) for each request took 111 ms, once for all requests 3 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import lru_cache, partial
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from telemetry.snapshot import RunKey
from telemetry.web.hosts import encoded_host
from telemetry.web.overview import encoded_overview
from telemetry.web.state_api import encoded_state
from telemetry.web.state_cache import StateCache, packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from telemetry.daemon.live_state import LiveState
    from telemetry.web.auth import Credentials
    from telemetry.web.state_cache import Build

logger = logging.getLogger("foldwatch")

OPEN_PATH = "/healthz"
"""It says nothing of any run, and probes have no credentials."""
STALLED_SECONDS = 30.0
"""Without a publication for so long, /healthz answers 503."""
REFRESH_SECONDS = 1.0
PLOTLY = "plotly.min.js"
_SCRIPTS = ("page", "runs", "host", "run", "ranks", "alerts", "charts", "elements", "words")
_TYPES = {
    "page.css": "text/css; charset=utf-8",
    **dict.fromkeys((f"{name}.js" for name in _SCRIPTS), "text/javascript; charset=utf-8"),
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
    middleware = [Middleware(HeadersMiddleware), Middleware(AuthMiddleware, access)]
    if is_loopback and access.is_open:
        middleware.insert(1, Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_NAMES))
    routes: dict[str, Callable[..., Any]] = {
        "/": _page,
        "/metrics": _metrics,
        OPEN_PATH: _healthz,
        "/api/state": partial(_json, encoded_state, RunKey._fields),
        "/api/overview": partial(_json, encoded_overview, ()),
        "/api/host": partial(_json, encoded_host, ("host",)),
        "/assets/{name}": _asset,
    }
    app = Starlette(
        routes=[Route(path, answer, methods=["GET"]) for path, answer in routes.items()],
        middleware=middleware,
        lifespan=partial(_refreshing, refresh),
    )
    app.router.redirect_slashes = False
    app.state.board = board
    app.state.answers = StateCache(board)
    return app


@contextlib.asynccontextmanager
async def _refreshing(refresh: Callable[[], None], app: Starlette) -> AsyncIterator[None]:
    """Refresh from the server's start to its end."""
    task = asyncio.create_task(_refresh_for_good(refresh))
    yield
    task.cancel()
    app.state.answers.close()


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


class HeadersMiddleware:
    """Gives every answer, refusals too, the headers that keep a browser from being misled."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers that the answer does not set itself."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in _HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        await self._app(scope, receive, send_with_headers)


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
    try:
        _, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        _, content_type = choose_encoder("")
    is_open_metrics = content_type.startswith("application/openmetrics-text")
    board: LiveState = request.app.state.board
    text = board.exposition.text(is_open_metrics=is_open_metrics)
    return Response(text, headers={"Content-Type": content_type})


async def _healthz(request: Request) -> Response:
    board: LiveState = request.app.state.board
    if board.clock() - board.published_at > STALLED_SECONDS:
        return PlainTextResponse("nothing was collected for a while\n", 503)
    return PlainTextResponse("ok\n")


async def _json(build: Build, names: Sequence[str], request: Request) -> Response:
    """Answer with what ``build`` makes for the fields ``names`` of a `RunKey`, as the query has them."""
    asked = request.query_params
    wanted = RunKey(*(asked.get(name, "") if name in names else "" for name in RunKey._fields))
    answer = await request.app.state.answers.answer(build, wanted)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = {"Content-Encoding": "gzip"}
        return Response(answer.packed, media_type="application/json", headers=headers)
    return Response(answer.plain, media_type="application/json")


async def _page(_: Request) -> Response:
    return Response(_file("index.html"), media_type="text/html")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        return PlainTextResponse("there is no such asset\n", 404)
    if name != PLOTLY:  # its own files must be of one version, the page's
        return Response(_file(name), media_type=_TYPES[name])
    headers = {"Content-Encoding": "gzip", "Cache-Control": "private, max-age=3600"}
    return Response(_plotly(), media_type=_TYPES[name], headers=headers)


@lru_cache
def _file(name: str) -> bytes:
    return resources.files("telemetry.web").joinpath("page", name).read_bytes()


@lru_cache
def _plotly() -> bytes:
    """The chart library from its package, packed once: every browser of these years unpacks gzip."""
    path = metadata.distribution("plotly").locate_file(f"plotly/package_data/{PLOTLY}")
    with open(str(path), "rb") as file:
        return packed(file.read())
