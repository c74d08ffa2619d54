"""`ListenConfig`: the address and the credentials of a server.

Apart from the server, so that it can be checked before the server's packages are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from telemetry.web.auth import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenConfig:
    """The address, the port, the credentials and the certificate of a server."""

    address: str = "127.0.0.1"
    port: int = 9464
    access: Credentials = field(default_factory=Credentials)
    certificate: str | None = None
    key: str | None = None
    """PEM files; with both it is HTTPS."""

    @property
    def scheme(self) -> str:
        """Which of http and https it is."""
        return "http" if self.certificate is None else "https"


def at(host: str, port: int) -> str:
    """Write a host and a port as an address is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
