"""Waiting for something that another thread or process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SHORTEST_PAUSE = 0.005
LONGEST_PAUSE = 0.1


def wait_until(
    condition: Callable[[], T | None], seconds: float, what: str | Callable[[], str]
) -> T:
    """Wait until ``condition`` gives something true, and return it.

    Args:
        condition: Asked at once and then again, after pauses of 5 ms that grow to 100 ms.
        seconds: How long to wait: generous, for a machine that others keep busy.
        what: The thing waited for, as a noun; a function is asked for it at the time of failure.

    Returns:
        The first value of ``condition`` that is true.

    Raises:
        AssertionError: Nothing true came in time; the message names ``what``.
    """
    deadline = time.monotonic() + seconds
    pause = SHORTEST_PAUSE
    while not (result := condition()):
        if time.monotonic() > deadline:
            name = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:g} s in vain for {name}; last: {result!r}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return result


def has_ended(pid: int) -> bool:
    """Return whether process ``pid`` is gone, or a zombie that init has yet to reap."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return "State:\tZ" in file.read()
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for_end(pid: int, seconds: float = 10) -> None:
    """Wait until process ``pid`` has ended."""
    wait_until(lambda: has_ended(pid), seconds, f"the end of process {pid}")
