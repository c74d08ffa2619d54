"""A real Prometheus and a real Alertmanager with the shipped files, and a webhook's receiver.

Time is scaled: every duration in the shipped files (scrape and evaluation intervals, ``for:``, ranges
and offsets, Alertmanager's waits) is divided by ``scale``, and nothing else is changed but addresses.
Rates and forecasts are computed from durations written in seconds, so they stay in unscaled seconds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.support.paths import GRAFANA
from tests.support.ports import free_port
from tests.support.requirements import need
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def scaled(text: str, scale: float) -> str:
    """Divide every duration of a configuration or of rules by ``scale``."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[2]) * _SECONDS[match[3]] / scale
        return f"{match[1]}{max(1, round(seconds * 1000))}ms" if seconds else match[0]

    pattern = r"(interval: |wait: |for: |offset |\[)(\d+)([smh])\b"
    return re.sub(pattern, shorter, text)


@dataclass
class Receiver:
    """What a webhook was sent, and when."""

    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    status: int = 200
    first_statuses: list[int] = field(default_factory=list)
    """Statuses of the answers before ``status`` is given."""
    url: str = ""
    authorization: str | None = None

    def alerts(self, status: str = "firing") -> list[tuple[float, dict[str, Any]]]:
        """Give each alert with the moment it came."""
        return [
            (at, alert)
            for at, content in list(self.received)
            for alert in content["alerts"]
            if alert["status"] == status
        ]

    def first(self, name: str | None = None) -> float | None:
        """When the first alert (called ``name``) came."""
        times = [a for a, alert in self.alerts() if name in {None, alert["labels"]["alertname"]}]
        return min(times, default=None)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve a webhook on a port of its own."""
    got = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            got.authorization = self.headers.get("Authorization")
            got.received.append((time.time(), json.loads(content)))
            first = got.first_statuses
            self.send_response(first.pop(0) if first else got.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        got.url = f"http://127.0.0.1:{server.server_port}/"
        yield got
        server.shutdown()


@dataclass
class Stack:
    """The two servers, and where they listen."""

    prometheus: str
    alertmanager: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Ask Prometheus for an instant vector."""
        address = f"{self.prometheus}/api/v1/query?"
        address += urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Ask Alertmanager what is active."""
        with urllib.request.urlopen(f"{self.alertmanager}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


@contextmanager
def stack(folder: Path, *, targets: str, webhook: str, scale: float) -> Iterator[Stack]:
    """Run both with their data in ``folder``, scraping ``targets``, posting to ``webhook``."""
    ports = [free_port(), free_port()]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    shutil.copytree(os.path.join(GRAFANA, "rules"), folder / "rules")
    replacements = {
        "foldwatch:9464": targets,
        "alertmanager:9093": addresses[1],
        "http://webhook.invalid/": webhook,
    }
    for name in ("prometheus.yml", "alertmanager.yml", "rules/foldwatch.yml"):
        source = name if name.startswith("rules") else os.path.join(GRAFANA, name)
        with open(os.path.join(folder, source), encoding="utf-8") as file:
            text = scaled(file.read(), scale)
        for before, after in replacements.items():
            text = text.replace(before, after) if not name.startswith("rules") else text
        (folder / name).write_text(text)
    commands = [
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/prometheus",
            f"--web.listen-address={addresses[0]}",
        ],
        [
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            f"--web.listen-address={addresses[1]}",
            "--cluster.listen-address=",
        ],
    ]
    with ExitStack() as running:
        for command, address in zip(commands, addresses, strict=True):
            log = running.enter_context(open(folder / f"{command[0]}.log", "wb"))
            running.enter_context(_process(command, log))
            _wait_until_ready(f"http://{address}/-/ready", folder / f"{command[0]}.log")
        yield Stack(f"http://{addresses[0]}", f"http://{addresses[1]}")


@contextmanager
def _process(command: list[str], log: Any) -> Iterator[None]:
    need(shutil.which(command[0]), f"{command[0]} (Debian's package of that name)")
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()


def _wait_until_ready(address: str, log: Path) -> None:
    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return True
        except OSError:
            return False

    wait_until(is_ready, 60, lambda: f"{address}:\n{log.read_text()}")
