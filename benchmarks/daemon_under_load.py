"""The daemon under load as a whole: silent TLS connections, readers that drip, and receivers of alerts that hang.

1,100 connections say nothing, 500 clients read an answer a byte at a time, two webhooks and the Alertmanager take a request
and never answer, and the alert command does not end: of five ways of telling, standard error alone is left. Meanwhile it is scraped, and ten runs come near a limit at once: how
long a scrape takes, and how long until each of their critical lines is on standard error.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from typing import IO, TYPE_CHECKING

from telemetry.journal.records import Header
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENT = 1_100
DRIPPING = 500
RUNS = 10
DESCRIPTORS = 1_024
"""Of the daemon: what a login gets."""
SCRAPES = 30
LONGEST_SCRAPE_SECONDS = 0.5
LONGEST_ALERT_SECONDS = 2.0


def certificate(place: str) -> tuple[str, str]:
    """Make a certificate for this machine, and its key."""
    cert, key = f"{place}/cert.pem", f"{place}/key.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run(
        [*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return cert, key


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Listen for requests, and answer none; give the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def daemon(top: str, cert: str, key: str, *options: str) -> Iterator[tuple[int, IO[str]]]:
    """Run the daemon with few descriptors; give its port and its standard error."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "foldwatch", "serve", top, "--port", "0"),
            *("--tls-cert", cert, "--tls-key", key, *options),
        ],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),  # noqa: PLW1509 - no other thread runs yet
    )
    assert process.stderr is not None
    try:
        port = int(process.stderr.readline().strip().rstrip("/").rpartition(":")[2])
        yield port, process.stderr
    finally:
        process.terminate()
        process.wait(20)


def write(place: str, *, maps: int) -> None:
    """Append a reading to the journal of each run."""
    for number in range(RUNS):
        writer = JournalWriter(f"{place}/run-{number}/journal.jsonl")
        now = time.time()
        writer.write(
            Header(
                time=now,
                pid=number + 1,
                host="a",
                argv=(),
                versions={},
                environment={},
                ceilings=(),
            )
        )
        limits = {"max_map_count": 65530}
        writer.write(Reading(time=now, pid=number + 1, threads=9, maps=maps, limits=limits))
        writer.close()


def drip(client: socket.socket, until: threading.Event) -> None:
    """Read a byte now and then."""
    with contextlib.suppress(OSError):
        while not until.wait(0.5) and client.recv(1):
            pass


def scrape(port: int, trusting: ssl.SSLContext) -> float:
    """Return how long a scrape takes, in seconds."""
    began = time.monotonic()
    address = f"https://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(address, context=trusting, timeout=30) as answer:
        answer.read()
    return time.monotonic() - began


def critical_lines(lines: IO[str], began: float, seconds: list[float]) -> None:
    """Take the time at which each run's critical line comes."""
    seen: set[str] = set()
    for line in lines:
        found = re.search(r"critical: .*run=(run-\d+)", line)
        if found and found[1] not in seen:
            seen.add(found[1])
            seconds.append(time.monotonic() - began)
            if len(seen) == RUNS:
                return


def loaded(place: str) -> dict[str, object]:
    """Put the load on, and measure."""
    cert, key = certificate(place)
    trusting = ssl.create_default_context(cafile=cert)
    write(place, maps=1850)
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        first, second, manager = (stack.enter_context(receiver()) for _ in range(3))
        options = ["--alert-webhook", first, "--alert-webhook", second, "--alertmanager", manager]
        options += ["--alert-command", "sleep 1000"]
        port, lines = stack.enter_context(daemon(place, cert, key, *options))
        clients = []
        for _ in range(SILENT + DRIPPING):
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            clients.append(stack.enter_context(client))
        for client in clients[SILENT:]:
            with contextlib.suppress(OSError):
                secured = trusting.wrap_socket(client, server_hostname="127.0.0.1")
                secured.sendall(b"GET /assets/plotly.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                threading.Thread(target=drip, args=(secured, over), daemon=True).start()
        scrapes = [scrape(port, trusting) for _ in range(SCRAPES)]
        told: list[float] = []
        began = time.monotonic()
        reader = threading.Thread(target=critical_lines, args=(lines, began, told), daemon=True)
        reader.start()
        write(place, maps=65_000)
        reader.join(30)
        over.set()
    return {
        "scrapes": len(scrapes),
        "median_seconds": round(statistics.median(scrapes), 3),
        "longest_seconds": round(max(scrapes), 3),
        "critical_lines": len(told),
        "last_line_after_seconds": round(max(told, default=0.0), 3),
        "failed": max(scrapes) > LONGEST_SCRAPE_SECONDS
        or len(told) < RUNS
        or max(told) > LONGEST_ALERT_SECONDS,
    }


def main() -> None:
    """Print one JSON object."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(loaded(place)))


if __name__ == "__main__":
    main()
