r"""The search of a log for a user's patterns: which lines to ask them about.

RE2 is asked about one line at a time, for a pattern is about the line as its writer wrote it, without what
was put around it. Most lines match no pattern: asked about are those that hold a text that every match holds.
(Hyperscan could search for the expressions too, but it misses matches: ``\d+b+`` with Vectorscan 5.4.12.)
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING

from analyzer.logs.line_prefixes import (
    PIECE_LITERALS,
    PartialLineAssembler,
    Unwrapped,
    docker_pieces,
    unwrap,
)
from analyzer.logs.literal_search import LiteralSearch
from analyzer.logs.user_pattern import Found, labelled
from telemetry.late_pattern import late_pattern
from telemetry.thread_line import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from analyzer.logs.blocks import Block
    from analyzer.logs.user_pattern import Match, Matcher, UserPattern

_MARKER = MARKER.encode()
_LINE_ENDS = bytes.maketrans(b"\r\b", b"\n\n")
"""A redraw is a line of its own to a pattern, which never looks past a line."""
_ALWAYS = (b"\x1b", rb"\u001b", rb"\u001B", *PIECE_LITERALS)
"""What may cut a text in two: escapes, also as JSON writes them, and pieces of a line."""
_TOKEN = late_pattern(
    r"""
      (?P<quoted> \\Q )
    | (?P<unknown> \\(?:[xpP](?:\{[^}]*\}|[0-9A-Fa-f]{2}|.)|\d{1,3}|[ECDSWdswbBAzZ]) | \(\?[a-zA-Z-]+[:)] | \[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\] | [.^$] )
    | (?P<open> \((?:\?(?::|P?<\w+>))? )
    | (?P<close> \) )
    | (?P<either> \| )
    | (?P<repeat> [*?+]\??|\{\d+(?:,\d*)?\}\?? )
    | \\(?P<escaped> . )
    | (?P<plain> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_MAY_BE_ESCAPED = frozenset('"\\/<>&')
"""What JSON writes in another way."""


def required_text(expression: str) -> bytes | None:
    """Return a text that stands in every line that ``expression`` matches in, as it is; None for none.

    It is the longest outside of groups and choices. Of an expression that ignores case there is none.
    """
    runs, run, depth = [], "", 0
    for token in _TOKEN.finditer(expression):
        kind, text = token.lastgroup, token[token.lastgroup or 0]
        if kind == "quoted" or (kind == "unknown" and text.startswith("(?")):
            return None
        if kind == "either" and not depth:
            return None
        if kind == "repeat" and not depth and text[0] != "+":
            run = run[:-1]
        depth += (kind == "open") - (kind == "close")
        is_kept = kind in {"plain", "escaped"} and not depth and " " <= text <= "~"
        if is_kept and text not in _MAY_BE_ESCAPED and not (kind == "escaped" and text.isalnum()):
            run += text
        else:
            runs.append(run)
            run = ""
    longest = max((*runs, run), key=len)
    return longest.encode() or None


class PatternSearch:
    """Applies patterns to a log block by block. A line with the marker is left to the grammar of ``[THREADS]``."""

    def __init__(
        self,
        patterns: Sequence[Matcher],
        texts: Sequence[bytes | None],
        *,
        beside: Sequence[bytes] = _ALWAYS,
    ) -> None:
        """By ``texts``, what stands in every match of each pattern; ``beside`` are asked about as well."""
        self._patterns = patterns
        self._texts = texts
        self._joiner = PartialLineAssembler()
        self.named: dict[str | None, Mapping[str, str]] = {}
        """By writer, the fold, epoch and label that a pattern without values found last."""
        known = [text for text in texts if text is not None]
        self._search = LiteralSearch([*known, *beside]) if len(known) == len(patterns) else None

    @classmethod
    def of(cls, patterns: Sequence[UserPattern]) -> PatternSearch:
        """Return the search for a user's patterns."""
        return cls(patterns, [required_text(pattern.expression) for pattern in patterns])

    @property
    def is_waiting(self) -> bool:
        """Whether a line has begun whose end has not come."""
        return self._joiner.is_waiting

    def found(self, block: Block) -> list[Found]:
        """Return the matches in ``block``, in their order."""
        places = self._places(block)
        return [
            found
            for start, end in self._lines(block, places)
            for found in self._of(block, start, end)
        ]

    def _lines(self, block: Block, places: Iterable[int] | None) -> Iterator[tuple[int, int]]:
        """Give the lines that hold one of ``places``, in their order, and those that go on with a piece."""
        content, start = block.content, 0
        left = None if places is None else iter(places)
        while start < block.cut:
            if left is not None and not self._joiner.is_waiting:
                at = next((place for place in left if place >= start), None)
                if at is None:
                    return
                start = content.rfind(b"\n", start, at) + 1 or start
            end = content.find(b"\n", start, block.cut)
            end = block.cut if end < 0 else end
            yield start, end
            start = end + 1

    def _places(self, block: Block) -> list[int] | None:
        """Return a place in each line that may match; None where all may."""
        if self._search is None:
            return None
        with memoryview(block.content) as view:
            places = self._search.starts(view[: block.cut])
        return sorted((*places, *docker_pieces(block.content, block.cut)))

    def _of(self, block: Block, start: int, end: int) -> Iterator[Found]:
        """Give the matches in a line, and in those that its end completes."""
        content = bytes(block.content[start:end])
        if start == 0 and block.head:
            head = unwrap(block.head.decode("utf-8", "replace"))
            yield from self._in_line(
                0, Unwrapped(content.decode("utf-8", "replace"), head.writer, head.stamp)
            )
            return
        for line in self._joiner.take(content):
            yield from self._in_line(start, unwrap(line.text, stamp=line.stamp), line.text)

    def _in_line(self, at: int, line: Unwrapped, raw: str = "") -> Iterator[Found]:
        """Give the matches in a line; in what it was before it was unwrapped where there are none.

        What looks like the rank of a launcher may be what the pattern asks for.
        """
        for text in (line.text, raw if line.writer else ""):
            if found := self._in(text.encode()):
                for match, pattern in found:
                    if isinstance(match, str):
                        yield Found(at, match, pattern, line.writer, line.time)
                    elif match.values:
                        placed = labelled(match, self.named.get(line.writer, {}))
                        yield Found(at, placed, pattern, line.writer, line.time)
                    else:
                        self._remember(match, line.writer)
                return

    def _remember(self, match: Match, writer: str | None) -> None:
        """Note where the values belong that follow; another fold has epochs of its own."""
        before = {} if "fold" in match.places else self.named.get(writer, {})
        self.named[writer] = {**before, **match.places}

    def note_place(self, line: bytes) -> None:
        """Take a line above the first block, for the places that it names."""
        text = line.decode("utf-8", "replace")
        for _ in self._in_line(0, unwrap(text), text):
            pass

    def _in(self, content: bytes) -> list[tuple[Match | str, Matcher]]:
        """Return the matches of all patterns, in their order."""
        drawn = content.translate(_LINE_ENDS)
        has_marker = _MARKER in drawn
        found: list[tuple[int, Match | str, Matcher]] = []
        for pattern, text in zip(self._patterns, self._texts, strict=True):
            if text is not None and text not in drawn:
                continue
            for start, end, match in pattern.matches(drawn):
                if not (has_marker and _MARKER in _line_at(drawn, start)):
                    found.append((start, match, pattern))
                if text is not None and drawn.find(text, end) < 0:
                    break
        if len(self._patterns) > 1:
            found.sort(key=itemgetter(0))
        return [(match, pattern) for _, match, pattern in found]


def _line_at(content: bytes, at: int) -> bytes:
    end = content.find(b"\n", at)
    return content[content.rfind(b"\n", 0, at) + 1 : len(content) if end < 0 else end]
