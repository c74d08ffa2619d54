"""`Batch`: what one request carries, and whom to tell what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Batch(NamedTuple):
    """One request: a service's request as bytes, and how many points or records are in it (``size``)."""

    content: bytes
    size: int
    settle: Callable[[bool], None]
    """Called once there is an answer that is final, with whether it was accepted; not if it is to be tried again."""


class BatchSource(Protocol):
    """What one thread sends."""

    noun: str
    """What is counted: ``data points``."""
    dropped: int
    """How many were not taken, for there were too many."""

    def batches(self) -> Iterator[Batch]:
        """Give what is to be sent now; each is settled, or left, before the next is asked for."""

    def waiting(self) -> int:
        """How many are still to be sent."""
