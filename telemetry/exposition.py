"""`Exposition`: many snapshots as the text of one scrape, rendered when they are published.

Owns the two text formats for a daemon, where prometheus-client's own rendering would take ten times
as long; a test holds the one against the other. It must not name a metric: `exporter` does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from telemetry.exporter import BASE_LABELS, METRICS, samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from telemetry.snapshot import Snapshot

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Exposition:
    """Holds the text of the snapshots published last.

    Invariant: a snapshot that is published again, the same object, is not rendered again. One thread
    publishes; any may read.
    """

    def __init__(self) -> None:
        self._rendered: dict[tuple[int, tuple[bool, ...]], _Rendered] = {}
        self._texts = (b"", b"# EOF\n")

    def publish(self, snapshots: Sequence[Snapshot], *, now: float) -> None:
        """Render ``snapshots`` as they are at ``now``, in seconds since the epoch."""
        rendered = {}
        for snapshot in snapshots:
            key = id(snapshot), tuple(part.is_live(now) for part in snapshot.parts)
            rendered[key] = self._rendered.get(key) or _Rendered(snapshot, now)
        self._rendered = rendered
        families = [
            (name, body)
            for name in METRICS
            if (body := "".join(one.lines.get(name, "") for one in rendered.values()))
        ]
        plain = "".join(_header(name, name) + body for name, body in families)
        open_metrics = "".join(
            _header(name, name.removesuffix("_total")) + body for name, body in families
        )
        self._texts = plain.encode(), f"{open_metrics}# EOF\n".encode()

    def text(self, *, is_open_metrics: bool) -> bytes:
        """Return what a scrape gets."""
        return self._texts[is_open_metrics]


class _Rendered:
    """One snapshot's lines by metric; it keeps the snapshot, so that its id is not given anew."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.lines: dict[str, str] = {}
        found: dict[str, list[str]] = {}
        base: tuple[str, ...] = ()
        prefix = ""
        for name, labels, value in samples(snapshot, now=now):
            if labels[: len(BASE_LABELS)] != base:
                base = labels[: len(BASE_LABELS)]
                prefix = _pairs(BASE_LABELS, base)
            own = METRICS[name].labels
            more = "," + _pairs(own, labels[len(BASE_LABELS) :]) if own else ""
            found.setdefault(name, []).append(f"{name}{{{prefix}{more}}} {_number(value)}\n")
        self.lines = {name: "".join(lines) for name, lines in found.items()}


def _pairs(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(
        f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)
    )


def _escaped(value: str) -> str:
    """Escape a label's value; what UTF-8 has no bytes for, a lone half of a pair, becomes ``?``."""
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    return value.translate(_ESCAPES)


def _number(value: float) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(value)


def _header(name: str, family: str) -> str:
    kind = METRICS[name]
    return f"# HELP {family} {kind.help}\n# TYPE {family} {kind.type}\n"
