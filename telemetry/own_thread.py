"""`start_own_thread`: a thread of telemetry's own beside the training, which takes none of the training's signals."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # no stubs
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_THE_THREAD_ITSELF = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
"""The kernel sends these to the thread that is at fault; blocked, they would end it past faulthandler."""

OWN_THREADS: list[threading.Thread] = []
"""Those that were started."""


def start_own_thread(work: Callable[[], object], *, name: str) -> None:
    """Run ``work`` in a daemon thread that blocks signals. Raises RuntimeError if no thread can be started.

    The kernel hands a signal to any thread that does not block it. A training that blocks one in its own threads, to
    finish what it writes or to wait with sigwait, would be interrupted or killed by way of this one.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    before = _signal.pthread_sigmask(signal.SIG_BLOCK, ())  # a handler may raise in the call below
    try:
        # Here, not in the thread: it inherits this from its first moment.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _OF_THE_THREAD_ITSELF)
        thread.start()
        OWN_THREADS.append(thread)
    finally:
        # Not the function of the module signal, which is in Python: a handler that another thread has taken a signal for
        # could raise before it has done anything, and the training would be deaf.
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
