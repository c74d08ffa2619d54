"""`ExitCode`: how an agent ends, for a scheduler to act on."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Of an agent, not of ``foldwatch run``."""

    FINISHED = 0
    FAILED = 1
    """By its own code."""
    NOT_STARTED = 2
    """Or the order is none."""
    LIMIT = 3
    """A limit ended it: memory, PIDs, time."""
    STOPPED = 4
    """A signal, a preemption, or the end of what had started the agent."""
    LEASE_LOST = 5
    """Another agent runs the fold."""
