"""Scans a range of a log for ``[THREADS]`` lines and signature matches.

A line exactly as it was written is matched as bytes; a line with a prefix, or inside other text, is
unwrapped and parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.logs.blocks import Blocks
from analyzer.logs.exceptions import TRACEBACK_BYTES
from analyzer.logs.format_readings import FormatScan
from analyzer.logs.known_formats import FORMAT_LITERALS
from analyzer.logs.line_prefixes import (
    DOCKER_START,
    PIECE_LITERALS,
    PartialLineAssembler,
    Unwrapped,
    docker_pieces,
    is_of_runtime,
)
from analyzer.logs.line_reader import LineReader
from analyzer.logs.literal_search import LiteralSearch
from analyzer.logs.progress_watch import EDGE_BYTES, ProgressWatch
from analyzer.logs.scan_options import PLAIN
from analyzer.logs.scan_result import LabelContext, ScanResult
from analyzer.logs.scan_result_builder import ScanResultBuilder
from analyzer.logs.wrapped_lines import AS_WRITTEN, WrappedLines
from analyzer.logs.wrapped_messages import AROUND_BYTES, PIECES, Around, around
from analyzer.signatures.search import BUILT_IN, LITERALS, SignatureTable
from analyzer.signatures.tracebacks import TRACEBACK
from telemetry.reading import LimitState
from telemetry.thread_line import MARKER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from analyzer.logs.blocks import Block
    from analyzer.logs.pattern_search import PatternSearch
    from analyzer.logs.scan_options import ScanOptions
    from analyzer.logs.user_pattern import Found, UserPattern

_MARKER = MARKER.encode()
_TRACEBACK = TRACEBACK.encode()
_INTERRUPTED = b"^C"
_BEHIND_IT = (b"\n", b"\r", b"T", b"^")
"""What stands behind the echo of Ctrl-C: with two characters alone the whole search takes half as long again."""
SCANNED_LITERALS = (
    _MARKER,
    *(text for text in map(str.encode, (*LITERALS, *PIECES)) if text != _INTERRUPTED),
    *(_INTERRUPTED + behind for behind in _BEHIND_IT),
    *PIECE_LITERALS,
)


def scan(
    stream: BinaryIO,
    *,
    limit_bytes: int | None = None,
    options: ScanOptions = PLAIN,
    advance: Callable[[int], None] | None = None,
) -> ScanResult:
    """Read ``stream``, or ``limit_bytes`` of it.

    ``advance`` is told how many bytes were read. Raises OSError.
    """
    return Scanner(options).read(stream, limit_bytes, advance)


class Scanner:
    """Finds the hits of a stream and gives each to a `ScanResultBuilder`."""

    def __init__(self, options: ScanOptions) -> None:
        self._builder = ScanResultBuilder(
            keeps_all=options.keeps_all, most_labels=options.most_labels
        )
        self._watch = ProgressWatch(self._builder)
        table = SignatureTable(options.signatures) if options.signatures else BUILT_IN
        self._lines = LineReader(self._builder, self._watch, table)
        self._joiner = PartialLineAssembler()
        self._patterns = _search(options.patterns)
        self._formats = FormatScan(options.most_labels) if self._patterns is None else None
        self._matches: list[Found] = []
        """Of the block that is read, the last first; they take their turn among the hits."""
        own = [text.encode() for one in options.signatures for text in one.literals]
        self._search = LiteralSearch([*SCANNED_LITERALS, *own], once=FORMAT_LITERALS)
        self._wrapped = WrappedLines()
        self._seen_to = 0
        """Offset in the block that was read last, behind its last hit."""

    def read(
        self, stream: BinaryIO, limit_bytes: int | None, advance: Callable[[int], None] | None
    ) -> ScanResult:
        """Read it; see `scan`."""
        result = self._builder.result
        blocks = Blocks(stream, limit_bytes=limit_bytes)
        read_before = 0
        for block in blocks:
            hits = self._hits(block)
            if not (block.lines_before or block.head or result.first_bytes):
                result.first_bytes = bytes(block.content[: min(block.size, EDGE_BYTES)])
            if not (result.has_nul or result.line_of):
                result.has_nul = block.content.find(b"\0", 0, block.size) >= 0
            if self._patterns is not None:
                self._matches = self._patterns.found(block)[::-1]
            self._take_hits(block, hits)
            self._builder.flush(block)
            self._take_matches(block, block.cut)
            if self._formats is not None and not result.line_of:
                self._formats.take(block, self._search.seen)
            edge = bytes(block.content[max(0, block.cut - EDGE_BYTES) : block.cut])
            is_short = len(edge) < EDGE_BYTES
            result.last_bytes = (result.last_bytes + edge)[-EDGE_BYTES:] if is_short else edge
            if block.is_last:
                self._watch.look_at_end(block, max(0, block.cut - EDGE_BYTES, self._seen_to))
            if advance is not None:
                advance(blocks.size_bytes - read_before)
                read_before = blocks.size_bytes
        for line in self._joiner.rest():
            self._lines.take(line, blocks.lines, is_whole=False)
        result.lines, result.size_bytes = blocks.lines, blocks.size_bytes
        if self._formats is not None and not result.line_of:
            result.by_format = self._formats.result(is_followed=limit_bytes is not None)
        return self._builder.finish()

    def _hits(self, block: Block) -> list[int]:
        """Return where to look at a block, in order."""
        with memoryview(block.content) as view:
            hits = self._search.starts(view[: block.size])
            if block.is_last and view[: block.size][-2:] == _INTERRUPTED:
                hits.append(block.size - 2)
        pieces = [*docker_pieces(block.content, block.cut)]
        return sorted({*hits, *pieces}) if pieces else hits

    def _take_hits(self, block: Block, hits: Iterable[int]) -> None:
        content, size = block.content, block.size
        match, read_wrapped = AS_WRITTEN.match, self._wrapped.read
        plain, plain_at = self._builder.plain, self._builder.plain_at
        open_matches = self._builder.open_matches
        floor = line_start = self._take_joined(block, 0) if self._joiner.is_waiting else 0
        for at in hits:
            if at < floor:
                continue
            if at >= block.cut:
                break
            line_start = content.rfind(b"\n", floor, at) + 1 or line_start
            if self._matches:
                self._take_matches(block, line_start)
            if open_matches:
                self._watch.look(block, floor, line_start)
            if (
                line_start == at
                and not (at == 0 and block.head)
                and (found := match(content, at, size))
            ):
                plain.append((found.groups(), None, None))
                plain_at.append(at)
                floor = found.end()
                continue
            if (row := read_wrapped(block, line_start, floor, at)) is not None:
                plain.append(row[0])
                plain_at.append(at)
                floor = row[1]
                continue
            if is_of_runtime(content, line_start) and not (line_start == 0 and block.head):
                floor = line_start = self._take_joined(block, line_start)
                continue
            floor = self._take_segment(block, line_start, max(floor, line_start), at, size)
        self._watch.look(block, floor, block.cut)
        self._seen_to = floor

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
        self._lines.place = (block, line_start)
        if TRACEBACK in text and self._is_cut_off(block, line_start, line_end):
            return line_start
        holds = self._lines.take(
            Unwrapped(text), number, prefix=prefix, near=near, is_whole=is_whole
        )
        if not holds:
            self._watch.look(block, line_start, end)
        if TRACEBACK in text:
            self._lines.take_traceback(block, Unwrapped(text), prefix, line_end, number)
        return end

    def _is_cut_off(self, block: Block, line_start: int, line_end: int) -> bool:
        """Whether what stands below a line is not in memory yet; then it comes again with the next block."""
        if block.is_last or not line_start or line_end + TRACEBACK_BYTES <= block.size:
            return False
        block.cut = min(block.cut, line_start)
        return True

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
            content = bytes(block.content[start:end])
            self._lines.place = (block, start)
            has_traceback = _TRACEBACK in content
            if (
                has_traceback
                and not self._joiner.is_waiting
                and self._is_cut_off(block, start, end)
            ):
                return start
            for line in self._joiner.take(content):
                if not self._lines.take(line, number, is_whole=is_whole):
                    self._watch.look(block, start, end)
                if has_traceback:
                    self._lines.take_traceback(block, line, "", end, number)
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
            limits = tuple(match.limits.items())
            context = LabelContext(found.writer, match.text, unseen, unseen, match.label, limits)
            self._builder.add_row(context, line, match.values, found.time)


def _search(patterns: Sequence[UserPattern]) -> PatternSearch | None:
    if not patterns:
        return None
    from analyzer.logs.pattern_search import PatternSearch  # noqa: PLC0415 - most logs need none

    return PatternSearch.of(patterns)
