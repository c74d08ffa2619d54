"""The credentials of a request: a user with a password, the bearer of a token, or none."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials that open the door; without any of them everybody is let in."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in."""
        return self.password is None and self.token is None

    def allows(self, authorization: str | None) -> bool:
        """Whether a request with this header is let in; each secret is compared in constant time."""
        if self.is_open:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and self.token is not None:
            return _same(given.strip().encode("latin-1", "replace"), self.token)
        if scheme.lower() == "basic" and self.password is not None:
            return _same(_decoded(given), f"{self.user}:{self.password}")
        return False

    @property
    def challenge(self) -> str:
        """The WWW-Authenticate header for a refused client."""
        return "Bearer" if self.password is None else 'Basic realm="foldwatch", charset="UTF-8"'


def _same(given: bytes, wanted: str) -> bool:
    """Compare as bytes: neither a header nor the environment need be UTF-8."""
    return hmac.compare_digest(given, wanted.encode("utf-8", "surrogateescape"))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
