"""`ThreadStarts`: the lines of the program from which threads were started that still run."""

from __future__ import annotations

import sys
import threading
from functools import wraps
from typing import TYPE_CHECKING
from weakref import WeakSet

from telemetry.interruption import pass_on
from telemetry.recorder.own_code import is_of_program, place_of

if TYPE_CHECKING:
    from types import CodeType

MOST_LINES = 500


class ThreadStarts:
    """Notes each start of a Python thread from its making on."""

    def __init__(self) -> None:
        self._started: dict[tuple[CodeType, int], WeakSet[threading.Thread]] = {}
        self._start = start = threading.Thread.start

        @wraps(start)
        def noting(thread: threading.Thread) -> None:
            try:
                self._note(thread)
            except Exception as error:  # noqa: BLE001 - a thread that cannot be noted, as of a subclass, is started
                pass_on(error)
            start(thread)

        threading.Thread.start = self._noting = noting  # type: ignore[assignment, method-assign]

    def stop(self) -> None:
        """Note no more, unless another wrapper lies above."""
        if threading.Thread.start is self._noting:
            threading.Thread.start = self._start  # type: ignore[method-assign]

    def facts(self) -> list[dict[str, object]]:
        """Return, by line, how many of the threads that it started run."""
        running = {
            key: sum(thread.is_alive() for thread in threads)
            for key, threads in self._started.copy().items()
        }
        return [
            {"function": code.co_qualname, "place": place_of(code, line), "running": count}
            for (code, line), count in running.items()
            if count
        ]

    def _note(self, thread: threading.Thread) -> None:
        frame = sys._getframe(1).f_back  # noqa: SLF001 - of what calls start()
        if frame is None:  # called by C, as the first that a thread does
            return
        at = frame
        while not is_of_program(at.f_code.co_filename) and at.f_back is not None:
            at = at.f_back
        found = at if is_of_program(at.f_code.co_filename) else frame
        key = found.f_code, found.f_lineno
        if key in self._started or len(self._started) < MOST_LINES:
            self._started.setdefault(key, WeakSet()).add(thread)
