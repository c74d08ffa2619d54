"""`ProgressWatch`: whether a writer that left the sign of a failure goes on below it.

A failure below which its writer makes progress was survived. Progress is what looks like an epoch or a
step, what the writer said over and over above the failure too, and another attempt of the whole run.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from analyzer.logs.blocks import HEAD_BYTES, redraws
from analyzer.logs.line_prefixes import unwrap
from analyzer.logs.progress import (
    ANNOUNCED,
    RESTARTED,
    RUNS_AGAIN,
    SHOWS_LOG,
    find_progress,
    shape_of,
)

if TYPE_CHECKING:
    from analyzer.logs.blocks import Block
    from analyzer.logs.scan_result_builder import ScanResultBuilder
    from analyzer.signatures.search import SignatureMatch

WATCHED_BYTES = 2**22
"""Below a match, looked through for progress; then once more at the end of the log."""
EDGE_BYTES = 2**16
"""Of the start and the end of a log, kept for what it is started with and how it ends."""
ABOVE_BYTES = 2**13
"""Above a match, looked through for what the writer says over and over."""
SAID_BEFORE = 2
"""How often it was said there at least."""
WATCHED_LINES = 2000
"""Below a match, compared with what was said above it."""
REPORT = b"The output (if any) follows"
"""LSF says first how a job ended, and puts what the job wrote below."""
LOOKS = 100
"""At the progress of others, between two hits."""
_NEWLINE = ord("\n")
_SIGN = re.compile(rb"\S")
_JSON = b'{"'


class ProgressWatch:
    """Looks below the matches that a builder holds open, and tells it who went on."""

    def __init__(self, builder: ScanResultBuilder) -> None:
        self._builder = builder
        self._bytes_left = 0
        self._lines_left = 0
        self._is_report = False
        """Whether what stands below the matches was written before them."""
        self._is_state = False
        """Whether the last match says in what state a process is, as somebody saw it."""
        self._above = b""
        """What stands above the first open match."""
        self._shapes: set[tuple[str | None, str]] | None = None
        """Writers, and what their lines there look like; None before anybody asked."""
        self._tellers: set[str | None] = set()
        """Writers all of whose open matches tell of another process: a launcher, an engine, the kernel."""

    def begin(
        self, match: SignatureMatch, writer: str | None, block: Block, line_start: int
    ) -> None:
        """Take a match that is about to be added; its line starts at ``line_start``."""
        if not self._builder.open_matches:
            start = max(0, line_start - ABOVE_BYTES)
            self._above = bytes(block.content[start:line_start])
            self._shapes = None
            self._lines_left = WATCHED_LINES
        tells = match.is_secondary or match.names_its_cause or "scheduler_memory" in match.causes
        if writer not in self._builder.open_matches:
            self._tellers.discard(writer)
            if tells:
                self._tellers.add(writer)
        elif not (tells or match.is_frame):
            self._tellers.discard(writer)
        self._bytes_left = WATCHED_BYTES
        self._is_report = False
        if not match.is_frame:
            self._is_state = says_state(match)

    def look(self, block: Block, start: int, end: int) -> None:
        """See whether a writer that left a match makes progress between two offsets."""
        if not self._builder.open_matches or self._is_report:
            return
        end = min(end, start + self._bytes_left)
        if (report := self._begin_of_report(block, start, end)) >= 0:
            self._is_report, end = True, report
        self._bytes_left -= max(0, end - start)
        self._compare_lines(block, start, end)
        for _ in range(LOOKS):
            if not self._builder.open_matches or start >= end:
                return
            if (at := find_progress(block.content, start, end)) is None:
                return
            at += block.content[at] == _NEWLINE
            line_start = block.content.rfind(b"\n", 0, at) + 1
            line_end = block.content.find(b"\n", at, block.size)
            line_end = block.size if line_end < 0 else line_end
            line = block.head_of(line_start).partition(b"\n")[0]
            writer = unwrap(line.decode("utf-8", "replace")).writer
            self._go_on(block, writer)
            start = line_end

    def _begin_of_report(self, block: Block, start: int, end: int) -> int:
        """Return where what was written before the matches begins; -1 if it does not."""
        if (report := block.content.find(REPORT, start, end)) >= 0 or not self._is_state:
            return report
        shown = SHOWS_LOG.search(block.content, start, end)
        return -1 if shown is None or RUNS_AGAIN.search(self._above) else shown.start()

    def look_at_end(self, block: Block, start: int) -> None:
        """Look once more at the end of the log, however far below the match it is."""
        self._bytes_left = EDGE_BYTES
        self.look(block, start, block.cut)

    def _compare_lines(self, block: Block, start: int, end: int) -> None:
        """Look line by line for what was said above the match, and for another attempt."""
        while start < end and self._lines_left > 0:
            self._lines_left -= 1
            stop = block.content.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            line = bytes(block.content[start : min(stop, start + HEAD_BYTES)])
            is_followed = not block.is_last or _SIGN.search(block.content, stop, block.size)
            # Who says last that there will be another attempt does not say that there was one.
            if RESTARTED.search(line) and (is_followed or not ANNOUNCED.search(line)):
                self._go_on(block, None, is_restart=True)
            elif line.strip():
                if self._shapes is None:
                    self._shapes = _shapes(self._above)
                found = unwrap(redraws(line.decode("utf-8", "replace"))[-1])
                shape = _shape_of(found.text, line[:2])
                # The same words with the same numbers are no progress: so a CI shows the settings of each step.
                is_same = f"{found.text}\n".encode() in self._above
                if (found.writer, shape) in self._shapes and not is_same:
                    self._go_on(block, found.writer)
            if not self._builder.open_matches:
                return
            start = stop + 1

    def _go_on(self, block: Block, writer: str | None, *, is_restart: bool = False) -> None:
        """Tell that a writer went on, or that all of them began anew."""
        self._builder.flush(block)
        for one in [*self._builder.open_matches]:
            if is_restart or one == writer or one in self._tellers or _is_successor(writer, one):
                self._builder.add_progress(one, is_restart=is_restart)


def says_state(match: SignatureMatch) -> bool:
    """Whether a sign says how a process ended as somebody else saw it: an exit status, a kill, an eviction."""
    return match.is_secondary or match.signal == "SIGKILL"


def _shapes(above: bytes) -> set[tuple[str | None, str]]:
    """Return what lines look like, by writer; what comes again below a match is progress."""
    seen: Counter[tuple[str | None, str]] = Counter()
    lines = above.decode("utf-8", "replace").split("\n")
    for line in lines[len(above) == ABOVE_BYTES :]:
        found = unwrap(redraws(line.rstrip("\r"))[-1])
        if (shape := _shape_of(found.text, line[:2].encode())) is not None:
            seen[found.writer, shape] += 1
    return {key for key, count in seen.items() if count >= SAID_BEFORE}


def _shape_of(text: str, begin: bytes) -> str | None:
    """Return what a line looks like; a logger that writes JSON may have its numbers in other fields."""
    return shape_of(text) or (shape_of(f"{text} 0") if begin == _JSON else None)


def _is_successor(writer: str | None, before: str | None) -> bool:
    """Whether one process took the place of another: the same name with another pid."""
    if writer is None or before is None or "[" not in writer:
        return False
    return writer.partition("[")[0] == before.partition("[")[0]
