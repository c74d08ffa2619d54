"""`record_until_end`: one process that runs already, from attaching to its end, with alerts, metrics and a page."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING

from trainer.attach.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.attach.attached_process import AttachedProcess, EndSeen
    from trainer.process.signals import Interruptions

LOG_SECONDS = 0.25
"""Between two looks into a log for a label."""


def record_until_end(
    process: AttachedProcess,
    interruptions: Interruptions,
    *,
    on_record: Callable[[], None],
    pace: Pace | None = None,
) -> EndSeen | None:
    """Record it until it ends, or until this process is asked to end.

    Args:
        process: What to record; closed at the end.
        interruptions: Who tells of Ctrl-C and SIGTERM.
        on_record: Called after something was written, in this thread: what shows it and alerts.
        pace: How often to look.

    Returns:
        How it ended; None if it runs on.
    """
    pace = pace or Pace()
    try:
        process.sample()
        on_record()
        due = time.monotonic() + pace.pause()
        while not process.has_ended() and not interruptions.take_count():
            if is_due := time.monotonic() >= due:
                process.sample()
            if process.take_labels() or is_due:
                on_record()
                due = time.monotonic() + pace.pause()
            _wait(process, interruptions, due - time.monotonic())
        if process.has_ended():
            return process.finish()
        process.detach()
        return None
    finally:
        process.close()
        on_record()


def _wait(process: AttachedProcess, interruptions: Interruptions, seconds: float) -> None:
    """Wait until it ends, somebody asks for the end, or its log is to be looked at."""
    if process.has_log:
        seconds = min(seconds, LOG_SECONDS)
    with selectors.PollSelector() as selector:
        selector.register(process, selectors.EVENT_READ)
        selector.register(interruptions.wakes, selectors.EVENT_READ)
        selector.select(max(0.0, seconds))
