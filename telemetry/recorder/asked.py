"""`Asked`: what `telemetry.start` was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os

    from telemetry.recorder.sampler import ThreadLineSink


class Asked(NamedTuple):
    """The arguments of `telemetry.start`; see there."""

    run_dir: str | os.PathLike[str] | None = None
    port: int | None = None
    address: str = "127.0.0.1"
    interval: float = 1.0
    lines: ThreadLineSink = None
    attribute: bool = False
    quiet: bool = False
