"""The application answers in one thread."""

from __future__ import annotations

import threading
import urllib.request

import pytest

from telemetry.daemon.live_state import LiveState
from telemetry.web import app
from telemetry.web.bind import ListenConfig
from telemetry.web.server import WebServer
from tests.support.builders import full_snapshot
from tests.support.waiting import wait_until


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
            "api/overview",
            "api/host",
            "assets/page.js",
            "assets/plotly.min.js",
        ):
            request = urllib.request.Request(server.url + path, headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert answer.status == 200, path
    finally:
        monkeypatch.undo()
        server.stop()


@pytest.mark.slow
def test_a_renewal_that_fails_is_followed_by_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line tells of all that fail."""
    monkeypatch.setattr(app, "REFRESH_SECONDS", 0.01)
    attempts: list[None] = []

    def refresh() -> None:
        attempts.append(None)
        raise KeyError("a defect")

    server = WebServer(LiveState(), ListenConfig(port=0), refresh=refresh)
    server.start()
    wait_until(lambda: len(attempts) > 2, 20, "three attempts")
    server.stop()
    assert caplog.text.count("could not be renewed") == 1
