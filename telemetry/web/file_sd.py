"""The target of this daemon for Prometheus's file-based service discovery."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from telemetry.web.bind import at

if TYPE_CHECKING:
    from telemetry.web.bind import ListenConfig


def targets(listening: ListenConfig, *, port: int) -> bytes:
    """Return the file_sd target of this daemon, as other machines reach it."""
    host = listening.address
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - looked for, not bound
        host = socket.gethostname()
    labels = {"__scheme__": listening.scheme, "node": socket.gethostname()}
    content = [{"targets": [at(host, port)], "labels": labels}]
    return f"{json.dumps(content, indent=2)}\n".encode()
