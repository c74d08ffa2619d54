"""The port of a run: metrics for Prometheus, and a page where its extra is installed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from telemetry.errors import InputError, install_command
from telemetry.metrics import server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from telemetry.alerts.engine import AlertEngine
    from telemetry.snapshot import Snapshot


def serve_live(
    snapshots: Callable[[], Sequence[Snapshot]], alerts: AlertEngine, *, port: int | None
) -> list[str]:
    """Answer on a port of 127.0.0.1 from now on; return the line that says where, if there is one.

    Args:
        snapshots: Gives the present ones of at least one run, in any thread.
        alerts: Whose alerts the page shows.
        port: 0 for a free one, None for none.

    Raises:
        InputError: It is taken.
    """
    if port is None:
        return []
    try:
        from telemetry.web.server import serve_in_thread  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        serve = partial(server.serve, lambda: snapshots()[0])
        served = f"metrics at http://127.0.0.1:{{}}/metrics; {install_command('serve')} for a page"
    else:
        serve = partial(serve_in_thread, snapshots, lambda: alerts.active)
        served = "metrics at http://127.0.0.1:{0}/metrics, the page at http://127.0.0.1:{0}/"
    try:
        bound = serve(port=port)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}") from error
    alerts.page = f"http://127.0.0.1:{bound}"
    return [served.format(bound)]
