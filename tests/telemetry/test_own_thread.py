"""The starting thread's signal mask is as it was, whatever comes meanwhile."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.own_thread import start_own_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def mask() -> Iterator[set[Any]]:
    """The mask of this thread, which it has again after the test."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield before
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fail(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_a_thread_that_cannot_be_started_leaves_the_mask(
    mask: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears of it."""
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        start_own_thread(lambda: None, name="x")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_no_python_code_is_between_the_start_and_the_mask(
    mask: set[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler may raise where Python code begins, as that of the module signal."""
    real = signal.pthread_sigmask

    def interrupted(how: int, signals: Any) -> set[Any]:
        if how == signal.SIG_SETMASK:
            fail()
        return real(how, signals)

    with monkeypatch.context() as patched:
        patched.setattr(signal, "pthread_sigmask", interrupted)
        start_own_thread(lambda: None, name="x")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
