"""JSON of a large value, encoded in parts, so that other threads run between them."""

from __future__ import annotations

import json
from typing import Any


def encoded_in_parts(value: Any, layers: int) -> str:
    """Return ``value`` as JSON; what lies ``layers`` of dicts and lists below is encoded as one part each."""
    if layers and isinstance(value, dict):
        pairs = (
            f"{json.dumps(name)}:{encoded_in_parts(one, layers - 1)}" for name, one in value.items()
        )
        return "{" + ",".join(pairs) + "}"
    if layers and isinstance(value, list):
        return "[" + ",".join(encoded_in_parts(one, layers - 1) for one in value) + "]"
    return json.dumps(value, separators=(",", ":"))
