"""Agents that run in threads of the test's own process, so that a test can set their clock and their patience."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from trainer.agent.agent import Agent
from trainer.agent.channel import JsonLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.agent.order import Order


class AgentInThread:
    """One agent; its process is the test's."""

    pid = None

    def __init__(self, order: Order, clock: Callable[[], float]) -> None:
        own, theirs = socket.socketpair()
        self.lines = JsonLines(own)
        self._theirs = JsonLines(theirs)
        self._code: int | None = None
        self._agent = Agent(order, self._theirs, clock=clock)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._code = self._agent.run()
        finally:
            self._theirs.close()

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else (1 if self._code is None else int(self._code))

    def wake(self) -> None:
        """Nobody has stopped it."""

    def kill(self) -> None:
        raise AssertionError("an agent did not end")

    def close(self) -> None:
        self.lines.close()
        self._thread.join(60)


class EngineOfThreads:
    """Starts such agents."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.agents_ahead: set[int] = set()
        self._clock = clock

    def submit(self, order: Order, *, has_next: bool) -> AgentInThread:
        del has_next
        return AgentInThread(order, self._clock)

    def clean_up(self, order: Order) -> None:
        raise AssertionError(f"an agent was killed: {order.fold}")

    def close(self) -> None:
        """Nothing is left."""
