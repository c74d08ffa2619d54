"""What compose, honcho or foreman ends because one of the processes that it runs side by side has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.processes.process import Process

TORN_DOWN_LINES = 4
"""Below the end of that process it says within so many lines that it ends the others."""


def discard_torn_down(processes: Sequence[Process]) -> None:
    """Take it that each process survived the signs of what was ended so, whoever wrote them.

    The one that ended first, with 0 or not, says how the run ended.
    """
    ended = max(one.frames.get("containers_ended", 0) for one in processes)
    first = [one.frames.get("container_exited_0", 0) for one in processes]
    first += [s.line or 0 for one in processes for s in one.matches.values() if s.is_secondary]
    if not any(0 < ended - line < TORN_DOWN_LINES for line in first):
        return
    for process in processes:
        names = [
            name
            for name, sign in process.matches.items()
            if (sign.is_secondary or sign.stops) and (sign.line or 0) > ended
        ]
        process.note_recovered(names)
        for name in names:
            del process.matches[name]
