"""The metrics port of a single process: one thread that answers /metrics.

A scrape renders the values that are there: it reads nothing and never waits. prometheus-client and
asyncio are loaded when something is served, not when this module is.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from telemetry.metrics.collector import registry
from telemetry.own_thread import start_own_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from telemetry.snapshot import Snapshot


def load() -> None:
    """Load what `serve` needs."""
    import prometheus_client  # noqa: F401, PLC0415 - see the module's text

    from telemetry.metrics import answers  # noqa: F401, PLC0415 - as above


def serve(
    snapshot: Callable[[], Snapshot],
    *,
    port: int,
    address: str = "127.0.0.1",
    others: Callable[[], Iterable[Snapshot]] = tuple,
) -> int:
    """Serve /metrics from one thread that starts now, and return the port (a free one for 0).

    One thread, not one per request: a process at its thread limit still answers. Text or
    OpenMetrics by the Accept header. ``others`` gives the snapshots of other ranks. Raises OSError if the address
    cannot be bound.
    """
    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - see the module's text

    from telemetry.metrics.answers import MetricsAnswers  # noqa: PLC0415 - as above

    listening = socket.create_server((address, port))
    answering = MetricsAnswers(make_wsgi_app(registry(snapshot, others)), listening)
    os.register_at_fork(after_in_child=answering.let_go)
    try:
        start_own_thread(answering.run, name="foldwatch-http")
    except RuntimeError:
        listening.close()
        raise
    bound: int = listening.getsockname()[1]
    return bound
