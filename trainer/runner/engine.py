"""What a runner needs of whatever starts agents: on this host, or where an engine of others places them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from trainer.agent.channel import JsonLines
    from trainer.agent.order import Order


class RunningAgent(Protocol):
    """An agent that was started."""

    @property
    def lines(self) -> JsonLines:
        """What is said to it and by it."""

    @property
    def pid(self) -> int | None:
        """Its process, if that is on this host."""

    def poll(self) -> int | None:
        """Return how it ended, negative for a signal, or None while it lives."""

    def wake(self) -> None:
        """Let it go on if somebody has stopped it."""

    def kill(self) -> None:
        """Give up on it."""

    def close(self) -> None:
        """Release what it holds here, and see it end."""


class Engine(Protocol):
    """Starts agents for one run."""

    @property
    def agents_ahead(self) -> set[int]:
        """The processes of agents on this host that have no order yet."""

    def submit(self, order: Order, *, has_next: bool) -> RunningAgent:
        """Give ``order`` to an agent; another order will follow if it ``has_next``. Raises OSError."""

    def clean_up(self, order: Order) -> None:
        """Remove what a killed agent has left on this host."""

    def close(self) -> None:
        """End what was started ahead, and leave the host as it was found."""
