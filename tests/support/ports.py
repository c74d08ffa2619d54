"""A TCP port that nothing listens on."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return one of this host's; somebody else may still take it first."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
