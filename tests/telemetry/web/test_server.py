"""The server: what it answers, to whom, and what a hostile client cannot do."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from telemetry.alerts.alert import Alert, Severity
from telemetry.daemon.live_state import LiveState
from telemetry.errors import InputError
from telemetry.metrics.collector import registry
from telemetry.web import app as web_app
from telemetry.web import server as web_server
from telemetry.web.auth import Credentials, is_loopback
from telemetry.web.bind import ListenConfig
from telemetry.web.server import WebServer, serve_in_thread
from tests.support.builders import HOSTILE_LABEL, full_snapshot
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


class Answer:
    """A whole answer."""

    def __init__(self, port: int, path: str, *, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()
        connection.close()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start servers of a board that holds the exporter's fullest snapshot; give the port."""
    servers = []

    def start(board: LiveState | None = None, **options: Any) -> int:
        if board is None:
            board = LiveState()
            board.publish([full_snapshot()])
        server = WebServer(board, ListenConfig(port=0, **options))
        server.start()
        servers.append(server)
        return server.port

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """Give the port of a server that several tests ask, none of which changes it."""
    board = LiveState()
    board.publish([full_snapshot()])
    server = WebServer(board, ListenConfig(port=0))
    server.start()
    yield server.port
    server.stop()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_scrape_says_what_prometheus_client_would_say(serve: Callable[..., int]) -> None:
    """The same families, types, help texts, labels and values, in both formats."""
    port = serve()
    plain = Answer(port, "/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain")
    ours = {f.name: f for f in text_string_to_metric_families(plain.body.decode())}
    theirs = {
        f.name: f
        for f in text_string_to_metric_families(generate_latest(registry(full_snapshot)).decode())
    }
    assert ours.keys() == theirs.keys()
    for name, family in theirs.items():
        if name != "foldwatch_checkpoint_threads":
            assert ours[name] == family
    open_metrics = Answer(port, "/metrics", Accept=OPENMETRICS)
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    parse: Any = openmetrics_parser.text_string_to_metric_families  # they publish no types
    generate: Any = openmetrics.generate_latest
    assert list(parse(open_metrics.body.decode())) == list(
        parse(generate(registry(full_snapshot)).decode())
    )


def test_a_scrape_passes_promtool(serve: Callable[..., int], promtool: str) -> None:
    """With a hostile stage in it."""
    text = Answer(serve(), "/metrics").body
    assert HOSTILE_LABEL.split('"', maxsplit=1)[0].encode() in text
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def test_half_a_character_in_a_label_breaks_no_scrape(serve: Callable[..., int]) -> None:
    """JSON may hold a lone surrogate, which UTF-8 has no bytes for."""
    board = LiveState()
    snapshot = full_snapshot()
    board.publish([type(snapshot)(run="\ud800", host="h", folds=snapshot.folds)])
    port = serve(board)
    assert b'run="?"' in Answer(port, "/metrics").body
    assert Answer(port, "/api/state").json["run"]["run"] == "\ud800"


def test_healthz_says_when_nothing_is_collected_any_more(serve: Callable[..., int]) -> None:
    """And asks for no credentials."""
    now = [1000.0]
    board = LiveState(clock=lambda: now[0])
    port = serve(board, access=Credentials(token="t"))
    assert Answer(port, "/healthz").status == 200
    now[0] += 60
    assert Answer(port, "/healthz").status == 503


def test_the_state_holds_what_the_page_shows(serve: Callable[..., int]) -> None:
    """The run, its folds, ceilings, pools, growth and alerts."""
    alert = Alert(
        name="A", severity=Severity.CRITICAL, labels={}, summary="near", description="do", began=1.0
    )
    board = LiveState(alerts=lambda: [alert])
    board.publish([full_snapshot()])
    state = Answer(serve(board), "/api/state").json
    assert state["alerts"][0]["summary"] == "near"
    run = state["run"]
    assert run["binding"] == {
        "ceiling": "max_map_count",
        "column": "maps",
        "current": 1850,
        "limit": 65530,
        "ratio": 1850 / 65530,
        "judged": 1850 / 65530,
    }
    assert [part["state"] for part in run["parts"]] == ["running", "failed"]
    assert run["pools"] == [{"pool": "tf_Compute", "threads": 8, "at_first": 8}]
    assert run["growth"][0]["verdict"] == "growing"
    assert run["curves"][0]["threads"] == [36.0]
    assert {checkpoint["stage"] for checkpoint in run["checkpoints"]} == {"START", HOSTILE_LABEL}
    limits = {ceiling["ceiling"]: ceiling["limit"] for ceiling in run["ceilings"]}
    assert limits["pids_cgroup"] == "unlimited"
    assert limits["cgroup_memory"] == "invisible"


def test_an_empty_board_is_no_error(serve: Callable[..., int]) -> None:
    """Nobody has written anything yet."""
    port = serve(LiveState())
    assert Answer(port, "/api/state").json["run"] is None
    assert Answer(port, "/metrics").body == b""
    assert Answer(port, "/metrics", Accept=OPENMETRICS).body == b"# EOF\n"


def test_the_page_and_its_assets_come_from_installed_packages(serve: Callable[..., int]) -> None:
    """With a policy that lets the browser load nothing from elsewhere, and the chart library packed."""
    port = serve()
    page = Answer(port, "/")
    assert page.status == 200
    assert "default-src 'none'; script-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"http" not in page.body.replace(b"http://www.w3.org/2000/svg", b"")
    scripts = re.findall(r'from "./([a-z]+.js)"', Answer(port, "/assets/page.js").body.decode())
    assert len(scripts) >= 5
    for name in ("page.js", "page.css", "charts.js", "ranks.js", *scripts, "plotly.min.js"):
        asset = Answer(port, f"/assets/{name}")
        assert (asset.status, asset.headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert asset.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../web.py",
        "/assets/..%2fweb.py",
        "/assets/%2e%2e/%2e%2e/pyproject.toml",
        "/assets//etc/passwd",
        "/assets/%00",
        "/../../etc/passwd",
        "//etc/passwd",
        "/assets/page.js/",
        "/assets/index.html%0d%0aX:%20y",
        "/api/state/../../x",
        "/%ff%fe",
    ],
)
def test_a_trick_of_a_path_leads_nowhere(served: int, path: str) -> None:
    """Only names of the list are looked for."""
    answer = Answer(served, path)
    assert answer.status == 404
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    ("access", "right"),
    [
        (Credentials(user="ann", password="s3cret"), basic("ann", "s3cret")),
        (Credentials(user="änn", password="pä:ß"), basic("änn", "pä:ß")),
        (Credentials(token="t0ken"), "Bearer t0ken"),
        (Credentials(user="ann", password="s3cret", token="t0ken"), "bearer t0ken"),
    ],
)
def test_only_the_right_credentials_open_the_door(
    serve: Callable[..., int], access: Credentials, right: str
) -> None:
    """Everything but /healthz is behind it, the page's assets too; refusals say what is wanted."""
    port = serve(access=access)
    paths = "/api/state", "/api/overview", "/api/host"
    for path in ("/", "/metrics", *paths, "/assets/page.js", "/nothing"):
        wrong = [
            {},
            {"Authorization": right[:-1]},
            {"Authorization": right + "x"},
            {"Authorization": "Basic ???"},
            {"Authorization": basic("ann", "")},
            {"Authorization": basic("", "s3cret")},
            {"Authorization": "Bearer "},
            {"Authorization": "Bearer None"},
            {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        ]
        for headers in wrong:
            answer = Answer(port, path, **headers)
            assert answer.status == 401, headers
            assert answer.headers["WWW-Authenticate"]
        assert Answer(port, path, Authorization=right).status == (
            404 if path == "/nothing" else 200
        )
    assert "s3cret" not in repr(access)


def test_what_is_not_utf_8_is_no_error(serve: Callable[..., int]) -> None:
    """A token of the environment's bytes, a version that is no number; both were answered with 500."""
    port = serve(access=Credentials(token="t\udcff"))
    assert Answer(port, "/metrics", Authorization="Bearer t\xff").status == 200
    assert Answer(port, "/metrics", Authorization="Bearer t?").status == 401
    odd = "application/openmetrics-text;version=x"
    answer = Answer(port, "/metrics", Authorization="Bearer t\xff", Accept=odd)
    assert (answer.status, answer.headers["Content-Type"][:10]) == (200, "text/plain")


def test_a_refusal_has_the_headers_of_an_answer(serve: Callable[..., int]) -> None:
    """401, 404, 405."""
    for port, method, path, status in (
        (serve(access=Credentials(token="t")), "GET", "/", 401),
        (serve(), "GET", "/nothing", 404),
        (serve(), "GET", "/assets/nothing", 404),
        (serve(), "POST", "/", 405),
    ):
        answer = Answer(port, path, method=method)
        assert answer.status == status
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_state_is_built_once_for_a_publication_and_off_the_answering_thread(
    serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is being built, a scrape is answered."""
    board = LiveState(clock=lambda: 1000.0)
    board.publish([full_snapshot()])
    may_go, asked = threading.Event(), []

    def build(*arguments: Any) -> bytes:
        asked.append(arguments)
        may_go.wait(20)
        return b"{}"

    monkeypatch.setattr(web_app, "encoded_state", build)
    port = serve(board)
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(Answer, port, "/api/state") for _ in range(5)]
        wait_until(lambda: asked, 20, "the first question")
        assert Answer(port, "/metrics").status == 200
        may_go.set()
        assert [one.result().json for one in waiting] == [{}] * 5
    assert len(asked) == 1
    board.publish([full_snapshot()])
    assert Answer(port, "/api/state").json == {}
    assert len(asked) == 2


def test_a_foreign_name_that_leads_here_is_not_answered_to(serve: Callable[..., int]) -> None:
    """DNS rebinding: a site must not read the metrics through its visitor's browser."""
    port = serve()
    assert Answer(port, "/api/state", Host="evil.example").status == 400
    assert Answer(port, "/api/state", Host=f"localhost:{port}").status == 200
    assert (
        Answer(serve(access=Credentials(token="t")), "/healthz", Host="node-7:9464").status == 200
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_known(address: str) -> None:
    """Whatever their form."""
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "node-7", ""])
def test_other_addresses_are_none(address: str) -> None:
    """A name that is looked up could lead anywhere."""
    assert not is_loopback(address)


def certificate(folder: Path) -> tuple[str, str]:
    """Make a certificate of 127.0.0.1 and its key."""
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=foldwatch", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-days", "2", "-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def test_https_is_served_with_a_certificate(serve: Callable[..., int], tmp_path: Path) -> None:
    """A client that trusts it is answered; one that speaks HTTP is not, and harms nobody."""
    cert, key = certificate(tmp_path)
    port = serve(certificate=cert, key=key)
    trusting = ssl.create_default_context(cafile=cert)
    with pytest.raises((OSError, http.client.HTTPException)):
        Answer(port, "/metrics")
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=trusting) as answer:
        assert answer.status == 200


def test_silent_connections_do_not_shut_out_a_scrape_over_tls(
    serve: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted from when they are accepted, and ended in time; none of it is logged."""
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(web_server, "HEAD_SECONDS", 1.0)
    cert, key = certificate(tmp_path)
    port = serve(certificate=cert, key=key)
    trusting = ssl.create_default_context(cafile=cert)
    silent = [opened(port, b"") for _ in range(50)]
    for _ in range(3):
        with urllib.request.urlopen(
            f"https://127.0.0.1:{port}/metrics", context=trusting, timeout=10
        ) as answer:
            assert answer.read()
    half = trusting.wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
    )
    half.settimeout(15)
    half.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert is_ended(half)
    assert all(is_ended(client) for client in silent)


SERVER_WITH_FEW_DESCRIPTORS = (
    "import asyncio, logging, os, resource, sys, uvicorn\n"
    "from telemetry.daemon.live_state import LiveState\n"
    "from telemetry.web.bind import ListenConfig\n"
    "from telemetry.web.server import WebServer\n"
    "logging.basicConfig(stream=sys.stderr)\n"
    "shut_down = uvicorn.Server.shutdown\n"
    "async def slowly(self, sockets=None):\n"
    "    await shut_down(self, sockets)\n"
    "    await asyncio.sleep(1.5)\n"
    "uvicorn.Server.shutdown = slowly\n"
    "server = WebServer(LiveState(), ListenConfig(port=0))\n"
    "server.start()\n"
    "print(server.port, flush=True)\n"
    "sys.stdin.readline()\n"
    "have = os.open('/dev/null', 0)\n"
    "resource.setrlimit(resource.RLIMIT_NOFILE, (have + 3, have + 3))\n"
    "print('ready', flush=True)\n"
    "sys.stdin.readline()\n"
    "server.stop()\n"
)
"""One whose answers take it a while to finish when it is stopped."""


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["once it answers again", "while it waits"])
def test_out_of_descriptors_is_one_line(ends: str) -> None:
    """Connections wait, and are answered afterwards; a server that is stopped meanwhile says nothing more."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SERVER_WITH_FEW_DESCRIPTORS]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        port = int(process.stdout.readline())
        assert Answer(port, "/healthz").status == 200
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        clients = [opened(port, b"") for _ in range(8)]
        line = process.stderr.readline()
        assert "connections have to wait: Too many open files" in line
        with ExitStack() as closing:
            for client in clients:
                closing.callback(client.close)
            if ends == "once it answers again":
                closing.close()
                assert Answer(port, "/healthz").status == 200
            _, err = process.communicate("\n", timeout=30)
    assert err == ""


def test_a_certificate_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    """Before anything is served."""
    (tmp_path / "x.pem").write_text("rubbish")
    path = str(tmp_path / "x.pem")
    with pytest.raises(InputError, match=r"x\.pem.*not a certificate and its key"):
        WebServer(LiveState(), ListenConfig(port=0, certificate=path, key=path))


def opened(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(15)
    client.sendall(sent)
    return client


def is_ended(client: socket.socket, *, within: int = 2**40) -> bool:
    """Whether the server ends the connection before the client's patience does, and so many bytes."""
    try:
        while (received := len(client.recv(65536))) and within > 0:
            within -= received
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    finally:
        client.close()
    return within > 0


def is_served(port: int, client: socket.socket) -> bool:
    """Whether the server, which is this process, holds its end of the client's connection open."""
    return any(
        end.laddr == ("127.0.0.1", port) and end.raddr == client.getsockname()
        for end in psutil.Process().net_connections("tcp")
    )


@pytest.mark.slow
def test_slow_clients_are_given_up_and_delay_nobody(
    serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, half a head, a head a byte at a time, a second head, a body that never comes."""
    monkeypatch.setattr(web_server, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(web_server, "KEEP_SECONDS", 1)
    port = serve()
    heads = [
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: local",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx",
    ]
    clients = [opened(port, head) for head in heads for _ in range(50)]
    for client in clients[100:150]:  # answered, and now a second head that never ends
        assert client.recv(4096)
        client.sendall(b"GET /metr")
    dripping = opened(port, b"GET / HTTP/1.1\r\n")
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            try:
                dripping.sendall(b"a: b\r\n")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    for _ in range(20):
        assert Answer(port, "/metrics").status == 200
    assert time.monotonic() - began < 5
    assert all(is_ended(client) for client in clients)
    assert is_ended(dripping)
    stop.set()
    thread.join()


def test_who_comes_with_a_request_finds_a_place_among_idle_connections(
    serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than there is room for, each with half a head: the one that waits longest is ended."""
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(web_server, "HEAD_SECONDS", 60.0)
    port = serve()
    idle = [opened(port, b"GET / HTTP/1.1\r\n") for _ in range(50)]
    assert [Answer(port, "/metrics").status for _ in range(3)] == [200] * 3
    assert all(is_ended(client) for client in idle[:30])
    idle[-1].settimeout(0.1)
    assert not is_ended(idle[-1])
    for client in idle:
        client.close()


@pytest.mark.slow
def test_over_tls_the_one_that_waits_longest_is_ended_before_its_handshake(
    serve: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections count from when they are accepted."""
    monkeypatch.setattr(web_server, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(web_server, "HEAD_SECONDS", 60.0)
    cert, key = certificate(tmp_path)
    port = serve(certificate=cert, key=key)
    silent = [opened(port, b"") for _ in range(50)]
    assert all(is_ended(client) for client in silent[:30])
    silent[-1].settimeout(0.1)
    assert not is_ended(silent[-1])
    for client in silent:
        client.close()


@pytest.mark.slow
def test_a_client_that_does_not_take_its_answer_is_given_up(
    serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks 50 times for a megabyte and reads nothing; others are answered meanwhile."""
    monkeypatch.setattr(web_server, "ANSWER_SECONDS", 1.0)
    port = serve()
    client = opened(port, b"GET /assets/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    assert Answer(port, "/healthz").status == 200
    wait_until(lambda: not is_served(port, client), 20, "the server to give the client up")
    assert is_ended(client, within=50 * 10**6)


def test_clients_that_do_not_take_their_answers_keep_no_server_from_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nor is that an error of an answer."""
    server = WebServer(LiveState(), ListenConfig(port=0))
    server.start()
    request = b"GET /assets/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50
    clients = [opened(server.port, request) for _ in range(20)]
    assert Answer(server.port, "/healthz").status == 200
    server.stop()
    assert not caplog.records
    assert all(is_ended(client, within=50 * 10**6) for client in clients)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 5_000_000 + b"\r\n\r\n",
        b"".join([b"GET / HTTP/1.1\r\n", *(b"h%d: v\r\n" % n for n in range(200_000)), b"\r\n"]),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        + b"z" * 9_999_999,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"\0" * 100_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ),
    ],
    ids=lambda sent: repr(sent[:24]),
)
def test_a_request_that_is_too_much_is_refused(
    serve: Callable[..., int], sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is, the connection ends and the next scrape is answered."""
    monkeypatch.setattr(web_server, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(web_server, "KEEP_SECONDS", 1)
    port = serve()
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(15)
    try:
        client.sendall(sent)
    except OSError:
        client.close()  # it was told off in the middle of it
    else:
        assert is_ended(client)
    assert Answer(port, "/metrics").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_changed_from_outside(served: int, method: str) -> None:
    """Reading is all there is."""
    assert Answer(served, "/api/state", method=method).status == 405


@pytest.mark.slow
def test_two_hundred_scrapes_at_once_all_succeed(serve: Callable[..., int]) -> None:
    """While hostile clients hold as many connections."""
    port = serve()
    idle = [opened(port, b"GET / HTTP/1.1\r\n") for _ in range(200)]
    start = threading.Barrier(200)

    def scrape() -> int:
        start.wait()
        return Answer(port, "/metrics").status

    with ThreadPoolExecutor(200) as pool:
        statuses = [future.result() for future in [pool.submit(scrape) for _ in range(200)]]
    assert statuses == [200] * 200
    for client in idle:
        client.close()


@pytest.mark.slow
def test_the_runner_s_server_shows_what_changes() -> None:
    """Without a daemon, within about a second, and it draws the curves from what it is shown."""
    shown = [full_snapshot()]
    port = serve_in_thread(lambda: shown, port=0)
    assert b'run="r"' in Answer(port, "/metrics").body
    shown[:] = [type(shown[0])(run="other", host="h", fold_count=7, folds=shown[0].folds)]
    wait_until(lambda: b'run="other"' in Answer(port, "/metrics").body, 20, "the other run")
    assert Answer(port, "/api/state").json["run"]["curves"]


def test_a_port_in_use_is_an_oserror(serve: Callable[..., int]) -> None:
    """For the caller to tell."""
    with pytest.raises(OSError, match="in use"):
        serve_in_thread(tuple, port=serve())
