"""`post`: sends JSON to an address, with one deadline for all of it: every attempt, head and answer. `exchange`: bytes, once.

An address may hold a secret: what is raised names its host alone.
"""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.error
import urllib.request
import zlib
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from telemetry.errors import InputError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from email.message import Message

SEND_SECONDS = 10.0
ATTEMPTS = 3
MOST_BYTES = 16 * 2**20
"""Of an answer."""


def checked_address(url: str, option: str) -> str:
    """Return ``url``. Raises InputError, which does not repeat it, if it is no http or https address."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        is_usable = False
    if not is_usable or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"{option}: an address that begins with http:// or https:// is needed")
    return url


def post(url: str, content: object, *, seconds: float = SEND_SECONDS) -> None:
    """POST JSON, up to ATTEMPTS times if the other side may recover; give up after ``seconds`` in all.

    Raises OSError.
    """
    # Not urllib3.Retry: foldwatch's base and its extra `serve` do not bring urllib3 along (in
    # requirements.lock it is there for TensorFlow), and it would replace the loop below alone.
    deadline = time.monotonic() + seconds
    request, host = _request(url, json.dumps(content).encode())
    for attempt in range(1, ATTEMPTS + 1):
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            with _OPENER.open(request, timeout=left):
                return
        except urllib.error.HTTPError as error:
            code = error.code
            error.close()
            if attempt == ATTEMPTS or code < 500:
                raise OSError(f"{host} answered {code}") from None
        except OSError as error:
            if attempt == ATTEMPTS or time.monotonic() > deadline:
                raise OSError(f"{host}: {getattr(error, 'reason', error)}") from None
        except (HTTPException, ValueError) as error:  # whose words may hold the address
            raise OSError(f"{host}: no HTTP ({type(error).__name__})") from None
        time.sleep(min(0.2 * 2**attempt, max(0.0, deadline - time.monotonic())))


def fetch(
    url: str, *, seconds: float = SEND_SECONDS, headers: Mapping[str, str] | None = None
) -> Any:
    """GET JSON, once, with these headers. Raises OSError, also if the answer is none."""
    request, host = _request(url, headers=headers)
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            return json.loads(_body(answer, MOST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        raise OSError(f"{host} answered {error.code}") from None
    except OSError as error:
        raise OSError(f"{host}: {getattr(error, 'reason', error)}") from None
    except (
        HTTPException,
        ValueError,
        RecursionError,
        zlib.error,
    ) as error:  # whose words may hold the address
        raise OSError(f"{host}: no JSON ({type(error).__name__})") from None


class HttpAnswer(NamedTuple):
    """What the other side answers, whatever its status is."""

    status: int
    headers: Message
    body: bytes


def exchange(
    url: str, data: bytes, *, headers: Mapping[str, str], seconds: float, most_bytes: int
) -> HttpAnswer:
    """POST ``data``, once; return the answer, with at most ``most_bytes`` of its body. Raises OSError without one."""
    request, host = _request(url, data, headers=headers)
    try:
        try:
            answer = _OPENER.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return HttpAnswer(answer.status, answer.headers, _body(answer, most_bytes))
    except OSError as error:
        raise OSError(f"{host}: {getattr(error, 'reason', error)}") from None
    except (HTTPException, ValueError, zlib.error) as error:  # whose words may hold the address
        raise OSError(f"{host}: no HTTP ({type(error).__name__})") from None


def _body(answer: Any, most_bytes: int) -> bytes:
    content: bytes = answer.read(most_bytes)
    if answer.headers.get("Content-Encoding") == "gzip":
        return zlib.decompressobj(wbits=31).decompress(content, most_bytes)
    return content


def _request(
    url: str, data: bytes | None = None, *, headers: Mapping[str, str] | None = None
) -> tuple[urllib.request.Request, str]:
    """Return the request and its host; a name and password in the address become a header."""
    parts = urlsplit(url)
    given, headers = headers or {}, {"Content-Type": "application/json", "User-Agent": "foldwatch"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(url, data=data, headers=headers | dict(given))  # noqa: S310 - the scheme was checked
    return request, parts.hostname or ""


class _TimedReader(io.RawIOBase):
    """Reads from a socket until a deadline: a socket's own timeout begins anew with every byte."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, deadline))


def _in_time(kind: type[HTTPConnection]) -> Any:
    """Return a maker of connections whose timeout is that of the whole request."""

    def connection(host: str, *, timeout: float, **options: Any) -> HTTPConnection:
        made = kind(host, timeout=timeout, **options)
        deadline = time.monotonic() + timeout
        made.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment] # it is only called
        return made

    return connection


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_in_time(HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_in_time(HTTPSConnection), req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A redirected POST would arrive as a GET without its content."""


_OPENER = urllib.request.build_opener(_Http, _Https, _NoRedirect)
