"""`Watcher`: reads a source again and again in a thread of its own, at a small share of a core."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.012
"""Of one core, for reading; drawing and judging take a little more."""
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 10.0
"""Between two looks. A look costs more the more runs there are, and the more was written since the last one."""

Wanted = tuple[str, str, str] | None
"""The run, host and rank to be read in full."""


class StateSource(Protocol):
    """Where states come from: an object as `/api/state` has it, with or without a run in full."""

    name: str
    """What is watched, in words."""

    def look(self, wanted: Wanted) -> dict[str, Any]:
        """Return the present state. Raises OSError, whose words say why there is none."""

    def close(self) -> None:
        """Let go of what is watched."""


class Watcher:
    """Gives each state to who shows it; one that cannot be had is followed by the next attempt."""

    def __init__(
        self,
        source: StateSource,
        *,
        on_state: Callable[[dict[str, Any]], None],
        on_problem: Callable[[str], None],
        wanted: Callable[[], Wanted] = lambda: None,
    ) -> None:
        """Take what to read and who is told, in the watcher's thread."""
        self._source, self._wanted = source, wanted
        self._on_state, self._on_problem = on_state, on_problem
        self._wakes = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="foldwatch-top", daemon=True)

    def start(self) -> None:
        """Read from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Read at once."""
        self._wakes.set()

    def stop(self) -> None:
        """Read no more; nobody waits for an answer that does not come."""
        self._is_over = True
        self._wakes.set()

    def _run(self) -> None:
        while not self._is_over:
            began = time.thread_time()
            try:
                state = self._source.look(self._wanted())
            except Exception as error:  # noqa: BLE001 - it costs one look, and is shown
                self._on_problem(f"{error or type(error).__name__}; it is tried again")
            else:
                self._on_state(state)
            pause = (time.thread_time() - began) / SHARE
            self._wakes.wait(min(LONGEST_SECONDS, max(SHORTEST_SECONDS, pause)))
            self._wakes.clear()
