"""The last lines of a log, by writer: where a run says that it is through, or what it failed with."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.blocks import redraws
from analyzer.logs.finished import place_of_finish
from analyzer.logs.line_prefixes import unwrap
from analyzer.signatures.tracebacks import without_ignored
from telemetry.masking import mask_forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


LAST_LINES = 40
"""Of each writer: a job's epilogue is hardly longer."""


class LastLine(NamedTuple):
    """One of the last lines that a writer wrote, without its wrapping."""

    line: int
    text: str


def last_lines(content: bytes, *, lines: int) -> Mapping[str | None, Sequence[LastLine]]:
    """Return, by writer, the last lines that are not blank.

    Args:
        content: The end of a log of so many ``lines``.
        lines: All lines of the log.
    """
    found: dict[str | None, list[LastLine]] = defaultdict(list)
    text = content.decode("utf-8", "replace")
    is_open = bool(text) and not text.endswith("\n")
    written = text.split("\n") if is_open else text.split("\n")[:-1]
    for below, raw in enumerate(reversed(written)):
        line = unwrap(redraws(raw.rstrip("\r"))[-1])
        own = found[line.writer]
        if line.text.strip() and len(own) < LAST_LINES:
            own.append(LastLine(lines - below, mask_forms(line.text)))
    return {writer: own[::-1] for writer, own in found.items()}


def of_all(by_writer: Mapping[str | None, Sequence[LastLine]]) -> Sequence[LastLine]:
    """Return the last lines of a log that one process wrote, whatever stands in front of its lines."""
    merged = sorted((one for own in by_writer.values() for one in own), key=lambda one: one.line)
    return merged[-LAST_LINES:]


def find_finished(lines: Sequence[LastLine], *, below: int) -> LastLine | None:
    """Return the one of the last ``lines``, below line ``below``, that says that the run is through."""
    last = [one for one in without_ignored(lines) if one.line > below]
    place = place_of_finish([one.text for one in last], below_failure=below > 0)
    return None if place is None else last[place]
