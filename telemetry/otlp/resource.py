"""The resource and the scope that points and records belong to: a run on a host."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from telemetry.metrics.samples import encodable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCOPE = "foldwatch"
LONGEST_TEXT = 4096
"""Characters of a value: labels, causes and names are anybody's texts."""


@cache
def version() -> str:
    """Return foldwatch's version."""
    return metadata.version("foldwatch")


def resource_attributes(run: str, host: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a run on a host; ``given`` are the user's, which prevail but for the run's own name."""
    own = {
        "service.name": "foldwatch",
        # A backend such as Prometheus tells resources apart by this and the name of the service alone.
        "service.instance.id": f"{host}/{run}",
        "service.version": version(),
        "host.name": host,
    }
    return {**own, **given, "foldwatch.run.name": run}


def put_attributes(place: Any, attributes: Iterable[tuple[str, str]]) -> None:
    """Append attributes to a repeated field of KeyValue; an empty one is none."""
    for name, text in attributes:
        if text:
            one = place.add()
            one.key = encodable(name)
            one.value.string_value = encodable(text[:LONGEST_TEXT])
