"""Starts a program without waiting for good for one that somebody stops (SIGSTOP) before it has begun.

Between vfork(2) and execve(2) the parent cannot be interrupted, whatever comes: a child that is stopped there would hold
its parent for as long. fork(2) leaves the parent waiting in a read, and what is stopped is continued.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from telemetry.kernel.process_tree import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_START = 1.0
"""Seconds; to fork and to execute takes some milliseconds."""

subprocess._USE_VFORK = False  # type: ignore[misc] # noqa: SLF001 - as its documentation says


@contextmanager
def starting() -> Iterator[None]:
    """Start a program in the block: where that takes too long, its children are continued, over and over."""
    has_begun = threading.Event()
    watch = threading.Thread(target=_continue_children, args=(has_begun,), daemon=True)
    with suppress(RuntimeError):  # at a limit of threads it is started all the same
        watch.start()
    try:
        yield
    finally:
        has_begun.set()


def _continue_children(has_begun: threading.Event) -> None:
    while not has_begun.wait(LONGEST_START):
        with suppress(OSError):
            for pid in children_of(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
