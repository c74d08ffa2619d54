"""`LineReader`: reads a line that holds a hit: its ``[THREADS]`` lines, or what it says of an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.logs.blocks import redraws
from analyzer.logs.exceptions import exception_below
from analyzer.logs.line_prefixes import DOCKER_START, Unwrapped, unwrap
from analyzer.logs.wrapped_messages import Around, wrapped_match
from analyzer.resources import LARGEST
from telemetry.thread_line import MARKER, parse_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from analyzer.logs.blocks import Block
    from analyzer.logs.progress_watch import ProgressWatch
    from analyzer.logs.scan_result_builder import ScanResultBuilder
    from analyzer.signatures.search import SignatureMatch, SignatureTable
    from telemetry.thread_line import ThreadLine

SIGN_BYTES = 2**12
"""On each side of a hit, looked at for a crash: a message is shorter, a line may not be."""


class LineReader:
    """Gives what the lines hold to a builder, and the signs of an end to a watch as well."""

    def __init__(
        self, builder: ScanResultBuilder, watch: ProgressWatch, table: SignatureTable
    ) -> None:
        self._builder = builder
        self._watch = watch
        self._table = table
        self.place: tuple[Block, int] | None = None
        """The block, and the start of the line that is read."""
        self._raised_at: set[int] = set()
        """Lines with the exception of a traceback: its level, where a logger put one, says nothing."""

    def take(
        self,
        raw: Unwrapped,
        line: int,
        *,
        prefix: str = "",
        near: Around = ((), ()),
        is_whole: bool = True,
    ) -> bool:
        """Read a line and return whether it held anything.

        ``prefix`` is its start where ``raw`` is a later redraw of it.

        ``near`` are the lines above and below it, for a message that was broken into several.
        """
        text, unwrapped = raw.text, unwrap(raw.text, stamp=raw.stamp)
        origin = unwrap(prefix) if prefix else unwrapped
        marked = unwrapped.text.count(MARKER)
        if marked < text.count(MARKER) and not text.startswith(DOCKER_START):
            self._builder.result.skip(line, "the marker is inside an escape sequence")
        drawn = redraws(unwrapped.text)
        is_refused = not marked
        for number, part in enumerate(drawn, start=1):
            if MARKER in part:
                is_last = number == len(drawn)
                for parsed in self._parse_all(part, line, is_whole=is_whole or not is_last):
                    if parsed is None:
                        is_refused = True
                    else:
                        self._builder.add_line(parsed, line, origin)
        return not is_refused or self._take_matches_of(unwrapped.text, near, line, origin)

    def _parse_all(self, text: str, line: int, *, is_whole: bool) -> Iterator[ThreadLine | None]:
        """Parse each of the lines that two writers may have put into one; None for a refused one."""
        parts = text.split(MARKER)[1:]
        for number, part in enumerate(parts, start=1):
            try:
                parsed = parse_line(MARKER + part)
                if not is_whole and number == len(parts) and part.rstrip()[-1:].isdigit():
                    raise ValueError("the file ends inside this line")  # noqa: TRY301 - counted below like any other
                if max(_numbers(parsed)) > LARGEST:
                    raise ValueError("a number that no kernel says")  # noqa: TRY301 - see above
            except ValueError as error:
                self._builder.result.skip(line, str(error))
                yield None
            else:
                yield parsed

    def _take_matches_of(self, text: str, near: Around, line: int, origin: Unwrapped) -> bool:
        """Add what the line ``text`` says of a crash; return whether it says anything."""
        is_raised = line in self._raised_at
        found = [
            match
            for piece in _near_hits(text, self._table.literals)
            for match in self._table.find_matches(piece, line=line, at_any_level=is_raised)
        ]
        if not found and (broken := wrapped_match(text.rstrip("\r"), near, self._table, line=line)):
            found = [broken]
        for match in found:
            self._add_match(match, origin)
        return bool(found)

    def _add_match(self, match: SignatureMatch, origin: Unwrapped) -> None:
        if self.place is not None:
            self._watch.begin(match, origin.writer, *self.place)
        self._builder.add_match(match, origin)

    def take_traceback(
        self, block: Block, raw: Unwrapped, prefix: str, line_end: int, number: int
    ) -> None:
        """Add the exception that a traceback comes to."""
        start = self.place[1] if self.place else 0
        found = exception_below(
            block, raw, prefix, self._table, start=start, end=line_end, number=number
        )
        if found is not None:
            matches, origin = found
            self._raised_at.add(matches[-1].line or 0)
            for match in matches:
                self._add_match(match, origin)


def _numbers(line: ThreadLine) -> Iterator[int]:
    for usage in (line.cgroup, line.maps):
        if usage is not None:
            yield usage.current or 0
            yield usage.limit if isinstance(usage.limit, int) else 0
    yield line.threads or 0
    yield line.rss_bytes or 0


def _near_hits(text: str, literals: Iterable[str]) -> Iterator[str]:
    """Give a line, or of one that is too long what stands around the literals in it."""
    if len(text) <= 2 * SIGN_BYTES:
        yield text
        return
    for literal in literals:
        at = text.find(literal)
        if at >= 0:
            yield text[max(0, at - SIGN_BYTES) : at + SIGN_BYTES]
