"""What a process needs, from the peaks of those before it; whether it fits is for the agent to say, on its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

IMPORTED = "after TF import"
"""The label at which a worker has loaded every module and touched no device."""


NEEDED = ("tree_threads", "rss_bytes")
"""The values that a fresh process is forecast by."""


class Needs:
    """What a process needs for its first fold, and what it needs to wait for it; empty where no one has run yet."""

    def __init__(self) -> None:
        self.of_a_fold: dict[str, int] = {}
        self.of_waiting: dict[str, int] = {}

    def note_fold(self, peaks: Mapping[str, int]) -> None:
        """Remember the peaks of a process's first fold."""
        _raise(self.of_a_fold, {name: peaks[name] for name in NEEDED if name in peaks})

    def note_checkpoint(self, reading: Reading) -> None:
        """Remember what a loaded worker needs, if this is the reading of one."""
        if reading.stage == IMPORTED:
            known = {"tree_threads": reading.threads, "rss_bytes": reading.rss_bytes}
            _raise(self.of_waiting, {name: v for name, v in known.items() if v is not None})


def _raise(highest: dict[str, int], values: Mapping[str, int]) -> None:
    for name, value in values.items():
        highest[name] = max(value, highest.get(name, value))
