"""Names, passwords and tokens from the options of a command: secrets come from files or the environment, never from argv."""

from __future__ import annotations

import base64
import os

from telemetry.errors import InputError
from telemetry.web.auth import Credentials

LONGEST_SECRET = 4096
"""Characters; a device may have no end of a line."""


def credentials(user: str | None, password_file: str | None, token_file: str | None) -> Credentials:
    """Put the credentials together. Raises InputError: a secret is missing, or cannot be read."""
    password = _secret(password_file, "FOLDWATCH_PASSWORD")
    if (user is None) != (password is None):
        raise InputError(
            "a name and a password go together: --user, and --password-file or FOLDWATCH_PASSWORD"
        )
    return Credentials(user=user, password=password, token=_secret(token_file, "FOLDWATCH_TOKEN"))


def _secret(path: str | None, variable: str) -> str | None:
    if path is None:
        return os.environ.get(variable) or None
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.readline(LONGEST_SECRET + 1).rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not secret:
        raise InputError(f"{path}: the first line is empty; a secret is required")
    if len(secret) > LONGEST_SECRET:
        raise InputError(f"{path}: the first line has more than {LONGEST_SECRET:,} characters")
    return secret


def authorization(
    user: str | None, password_file: str | None, token_file: str | None
) -> dict[str, str]:
    """Return the header by which a page lets a reader in; empty without credentials. Raises InputError as `credentials`."""
    known = credentials(user, password_file, token_file)
    if known.token is not None:
        return {"Authorization": f"Bearer {known.token}"}
    if known.password is None:
        return {}
    pair = f"{known.user}:{known.password}".encode("utf-8", "surrogateescape")
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
