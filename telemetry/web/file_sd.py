"""Files that others read instead of asking: a node's textfile collector, and Prometheus's file_sd.

Owns that each is whole at every moment: written aside, then renamed. It must not know what is in it.
"""

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
