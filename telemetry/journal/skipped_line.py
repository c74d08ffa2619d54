"""`SkippedLine`: what a reader of a log or a journal says of a line that it cannot use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that could not be used: its number in the file, from 1, and the reason."""

    line: int
    reason: str
