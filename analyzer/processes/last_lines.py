"""The last lines of a log, by writer: where a run says that it is through, or what it failed with."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from analyzer.logs.blocks import redraws
from analyzer.logs.finished import place_of_finish
from analyzer.logs.line_prefixes import unwrap
from analyzer.logs.progress import RUNS_AGAIN, SHOWS_LOG
from analyzer.logs.progress_watch import says_state
from analyzer.signatures.ci import CI_STOPS
from analyzer.signatures.tracebacks import without_ignored
from telemetry.masking import mask_forms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from analyzer.signatures.search import SignatureMatch

LAST_LINES = 40
"""Of each writer: a job's epilogue is hardly longer."""


_CONTAINER_EXIT = re.compile(r"^\S+ exited with code \d+$")
"""As docker compose says it: below the failure of one container, that another one ended with 0 says nothing."""

_CI_SUCCESS = re.compile(r"^Finished: SUCCESS|^Job succeeded\b|^Build succeeded\b")
"""The last word of a CI itself: below the end of a job that it cancelled, its steps that clean up succeed all the same."""


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


def find_finished(lines: Sequence[LastLine], signs: Collection[SignatureMatch]) -> LastLine | None:
    """Return the one of the last ``lines``, below all ``signs`` of an end, that says that the run is through."""
    end = max(signs, key=lambda sign: sign.line or 0, default=None)
    below = 0 if end is None else end.line or 0
    last = [one for one in without_ignored(lines) if one.line > below]
    above = "\n".join(one.text for one in lines if one.line <= below)
    if end is not None and says_state(end) and not RUNS_AGAIN.search(above.encode()):
        shown = (place for place, one in enumerate(last) if SHOWS_LOG.search(one.text.encode()))
        last = last[: next(shown, None)]
    if any(sign.signature in CI_STOPS for sign in signs):
        last = [one for one in last if _CI_SUCCESS.search(one.text)]
    if any(_CONTAINER_EXIT.search(sign.text) for sign in signs):
        last = [one for one in last if not _CONTAINER_EXIT.search(one.text)]
    place = place_of_finish([one.text for one in last], below_failure=below > 0)
    return None if place is None else last[place]
