"""The application answers in one thread."""

from __future__ import annotations

import threading
import urllib.request
from typing import TYPE_CHECKING

from telemetry.daemon.live_state import LiveState
from telemetry.web.bind import ListenConfig
from telemetry.web.server import WebServer
from tests.support.builders import full_snapshot

if TYPE_CHECKING:
    import pytest


def test_every_path_is_answered_when_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process may be at the very limit that the page warns of."""
    board = LiveState()
    board.publish([full_snapshot()])
    server = WebServer(board, ListenConfig(port=0))
    server.start()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    try:
        for path in (
            "",
            "metrics",
            "healthz",
            "api/state",
            "assets/page.js",
            "assets/plotly.min.js",
        ):
            request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert answer.status == 200, path
    finally:
        monkeypatch.undo()
        server.stop()
