"""`Starter`: what has started an agent, and what it asks for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from trainer.run.warning import warn

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from trainer.agent.channel import JsonLines


class Starter:
    """The one at the other end of the agent's standard input; its parent, which asks for nothing, if the order is in a file."""

    def __init__(self, lines: JsonLines | None, *, parent: int | None = None) -> None:
        self._lines, self._parent = lines, parent
        self._kept: list[dict[str, Any]] = []
        """Commands that came at a time for none."""

    @property
    def listens(self) -> bool:
        """Whether there is one at all: else an order in a file is all that the agent hears."""
        return self._lines is not None

    @property
    def is_there(self) -> bool:
        """Whether it has not ended."""
        if self._lines is None:
            return self._parent in {None, os.getppid()}
        return self._lines.is_open

    def sockets(self) -> Iterator[socket.socket]:
        """Yield what becomes readable when it asks for something, or ends."""
        if self._lines is not None and self._lines.is_open:
            yield self._lines.socket

    def commands(self) -> list[dict[str, Any]]:
        """Return what it has asked for since; never waits."""
        heard, self._kept = self._kept, []
        return heard if self._lines is None else heard + self._lines.heard()

    def wants_end(self) -> bool:
        """Whether it has ended or asks to end; whatever it has asked for is kept for `commands`."""
        self._kept = self.commands()
        return not self.is_there or any("end" in c or "dismiss" in c for c in self._kept)

    def say(self, said: str, **facts: Any) -> None:
        """Tell it something."""
        if self._lines is not None:
            self._lines.say(said=said, **facts)

    def log(self, text: str) -> None:
        """Tell a person something, through it or on standard error."""
        if self._lines is None:
            warn(text)
        else:
            self.say("log", text=text)
