"""Scans a range of a log for ``[THREADS]`` lines and signature matches.

A line exactly as it was written is matched as bytes; a line with a prefix, or inside other text, is
unwrapped and parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.logs.blocks import Blocks, redraws
from analyzer.logs.line_prefixes import (
    DOCKER_START,
    PIECE_LITERALS,
    PartialLineAssembler,
    Unwrapped,
    docker_pieces,
    is_of_runtime,
    unwrap,
)
from analyzer.logs.literal_search import matcher_for
from analyzer.logs.scan_result import LabelContext, ScanResult
from analyzer.logs.scan_result_builder import ScanResultBuilder
from analyzer.logs.wrapped_messages import AROUND_BYTES, BROKEN, Around, around, wrapped_match
from analyzer.resources import COLUMNS, LARGEST
from analyzer.signatures.search import LITERALS, find_matches
from telemetry.reading import LimitState
from telemetry.thread_line import MARKER, parse_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from analyzer.logs.blocks import Block
    from analyzer.logs.user_pattern import Found, PatternSearch, UserPattern
    from telemetry.thread_line import ThreadLine

_MARKER = MARKER.encode()
_NEWLINE = ord("\n")
SIGN_BYTES = 2**12
"""On each side of a hit, looked at for a crash: a message is shorter, a line may not be."""
SCANNED_LITERALS = (_MARKER, *map(str.encode, (*LITERALS, BROKEN)), *PIECE_LITERALS)

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What `format_line` writes, alone on its line: no second marker, no escape, nothing behind it. First
# as it mostly is: a label without a colon is not gone back in for its end.
_COUNTS = (
    rb": proc=(\d{1,15}), cgroup=(\d{1,15})/(\d{1,15}|max), "
    rb"maps=(\d{1,15})/(\d{1,15}|max), rss=(\d{1,12})MB(?=\r?\n)"
)
_AS_WRITTEN = re.compile(rb"\[THREADS\] ([^\[\r\n\b\x1b:]*)" + _COUNTS)
_WITH_COLON = re.compile(rb"\[THREADS\] ([^\[\r\n\b\x1b]*)" + _COUNTS)


def scan(
    stream: BinaryIO,
    *,
    limit_bytes: int | None = None,
    patterns: Sequence[UserPattern] = (),
    advance: Callable[[int], None] | None = None,
) -> ScanResult:
    """Read ``stream``, or ``limit_bytes`` of it.

    ``advance`` is told how many bytes were read. Raises OSError.
    """
    return Scanner(patterns).read(stream, limit_bytes, advance)


class Scanner:
    """Finds the hits of a stream and gives each to a `ScanResultBuilder`."""

    def __init__(self, patterns: Sequence[UserPattern]) -> None:
        self._builder = ScanResultBuilder()
        self._joiner = PartialLineAssembler()
        self._patterns = _search(patterns)
        self._matches: list[Found] = []
        """Of the block that is read, the last first; they take their turn among the hits."""
        self._needles = matcher_for(SCANNED_LITERALS)

    def read(
        self, stream: BinaryIO, limit_bytes: int | None, advance: Callable[[int], None] | None
    ) -> ScanResult:
        """Read it; see `scan`."""
        result = self._builder.result
        blocks = Blocks(stream, limit_bytes=limit_bytes)
        read_before = 0
        for block in blocks:
            with memoryview(block.content) as view:
                hits = self._needles.starts(view[: block.size])
            if not block.lines_before and not block.head:
                result.is_utf_16 = block.content.startswith(_UTF_16)
            if not (result.has_nul or result.line_of):
                result.has_nul = block.content.find(b"\0", 0, block.size) >= 0
            if self._patterns is not None:
                self._matches = self._patterns.found(block)[::-1]
            if pieces := [*docker_pieces(block.content, block.cut)]:
                hits = sorted({*hits, *pieces})
            self._take_hits(block, hits)
            self._builder.flush(block)
            self._take_matches(block, block.cut)
            if advance is not None:
                advance(blocks.size_bytes - read_before)
                read_before = blocks.size_bytes
        for line in self._joiner.rest():
            self._take_text(line, blocks.lines, is_whole=False)
        result.lines, result.size_bytes = blocks.lines, blocks.size_bytes
        return result

    def _take_hits(self, block: Block, hits: Iterable[int]) -> None:
        content, size = block.content, block.size
        match, match_with_colon = _AS_WRITTEN.match, _WITH_COLON.match
        plain, plain_at = self._builder.plain, self._builder.plain_at
        floor = line_start = self._take_joined(block, 0) if self._joiner.is_waiting else 0
        for at in hits:
            if at < floor:
                continue
            if at >= block.cut:
                break
            if self._matches:
                self._take_matches(block, at)
            if at and content[at - 1] == _NEWLINE:
                line_start = at
            elif newline := content.rfind(b"\n", floor, at) + 1:
                line_start = newline
            if (
                line_start == at
                and not (at == 0 and block.head)
                and (found := match(content, at, size) or match_with_colon(content, at, size))
            ):
                plain.append(found.groups())
                plain_at.append(at)
                floor = found.end()
                continue
            if is_of_runtime(content, line_start) and not (line_start == 0 and block.head):
                floor = line_start = self._take_joined(block, line_start)
                continue
            floor = self._take_segment(block, line_start, max(floor, line_start), at, size)

    def _take_segment(self, block: Block, line_start: int, floor: int, at: int, size: int) -> int:
        """Read the redraw that holds the hit at ``at``; return where it ends."""
        content = block.content
        line_end = content.find(b"\n", at, size)
        line_end = size if line_end < 0 else line_end
        start = max(content.rfind(b"\r", floor, at) + 1, floor)
        end = content.find(b"\r", at, line_end)
        end = line_end if end < 0 else end
        if end > block.cut and (again := content.find(_MARKER, block.cut, end)) >= 0:
            end = again
        self._builder.flush(block)
        head = block.head_of(line_start)
        if head.startswith(DOCKER_START.encode()):
            start, end = line_start, line_end
        text = bytes(content[start:end]).decode("utf-8", "replace")
        prefix = "" if start == line_start else head.decode("utf-8", "replace")
        near: Around = ((), ())
        if not (prefix or MARKER in text):
            if line_end + AROUND_BYTES > size and not block.is_last and line_start:
                block.cut = min(block.cut, line_start)  # again with what follows it
            near = around(block, line_start, line_end)
        is_whole = not block.is_last or end < size
        number = block.line_number(at)
        self._take_text(Unwrapped(text), number, prefix=prefix, near=near, is_whole=is_whole)
        return end

    def _take_joined(self, block: Block, start: int) -> int:
        """Read the line at ``start`` that a runtime wrote, and on while one waits for its end.

        Returns where the next line begins.
        """
        self._builder.flush(block)
        while start < block.cut:
            end = block.content.find(b"\n", start, block.size)
            end = block.cut if end < 0 else end
            self._take_matches(block, start)
            number, is_whole = block.line_number(start), not block.is_last or end < block.size
            for line in self._joiner.take(bytes(block.content[start:end])):
                self._take_text(line, number, is_whole=is_whole)
            start = end + 1
            if not self._joiner.is_waiting:
                break
        return start

    def _take_matches(self, block: Block, before: int) -> None:
        """Take the matches of the user's patterns that begin ``before`` an offset."""
        if self._matches:
            self._builder.flush(block)
        while self._matches and self._matches[-1].at < before:
            found = self._matches.pop()
            line, match = block.line_number(found.at), found.match
            if isinstance(match, str):
                self._builder.result.skip(line, match)
                continue
            unseen = LimitState.INVISIBLE
            context = LabelContext(found.writer, match.text, unseen, unseen, match.label)
            self._builder.add_row(context, line, map(match.values.get, COLUMNS), found.time)

    def _take_text(
        self,
        raw: Unwrapped,
        line: int,
        *,
        prefix: str = "",
        near: Around = ((), ()),
        is_whole: bool = True,
    ) -> None:
        """Read a line; ``prefix`` is its start where ``raw`` is a later redraw of it.

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
        if is_refused:
            self._take_matches_of(unwrapped.text, near, line, origin)

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

    def _take_matches_of(self, text: str, near: Around, line: int, origin: Unwrapped) -> None:
        """Add what the line ``text`` says of a crash."""
        found = [match for piece in _near_hits(text) for match in find_matches(piece, line=line)]
        if not found and (broken := wrapped_match(text.rstrip("\r"), near, line=line)):
            found = [broken]
        for match in found:
            self._builder.add_match(match, origin)


def _search(patterns: Sequence[UserPattern]) -> PatternSearch | None:
    if not patterns:
        return None
    from analyzer.logs.user_pattern import PatternSearch  # noqa: PLC0415 - most logs need none

    return PatternSearch(patterns)


def _numbers(line: ThreadLine) -> Iterator[int]:
    for usage in (line.cgroup, line.maps):
        if usage is not None:
            yield usage.current or 0
            yield usage.limit if isinstance(usage.limit, int) else 0
    yield line.threads or 0
    yield line.rss_bytes or 0


def _near_hits(text: str) -> Iterator[str]:
    """Give a line, or of one that is too long what stands around the literals in it."""
    if len(text) <= 2 * SIGN_BYTES:
        yield text
        return
    for literal in LITERALS:
        at = text.find(literal)
        if at >= 0:
            yield text[max(0, at - SIGN_BYTES) : at + SIGN_BYTES]
