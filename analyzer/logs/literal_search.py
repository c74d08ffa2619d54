"""The search of a block for many literals at once, at the speed of memory.

It uses aho-corasick, which finds up to 64 literals with vector instructions (Teddy); with one more it
walks an automaton, at a tenth of the speed. If there are more, those that share a part are searched
for by that part, so a hit shows only where to look.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

from ahocorasick_rs import MATCHKIND_LEFTMOST_FIRST, BytesAhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AT_ONCE = 64
SHARED_BYTES = 8
"""Of a part that may stand for several literals; a shorter one would be found everywhere."""


def fewest(literals: Iterable[bytes], *, at_most: int = AT_ONCE) -> list[bytes]:
    """Return strings of which one stands in every one of ``literals``; at most so many if it can be.

    The first literal stays the first and stays itself.
    """
    ordered = list(dict.fromkeys(literals))
    first, rest = ordered[:1], ordered[1:]
    rest = [
        text for text in rest if not any(other != text and other in text for other in first + rest)
    ]
    while len(first) + len(rest) > at_most:
        holders: dict[bytes, list[bytes]] = defaultdict(list)
        for text in rest:
            for at in {text[i : i + SHARED_BYTES] for i in range(len(text) - SHARED_BYTES + 1)}:
                holders[at].append(text)
        part = max(holders, key=lambda part: (len(holders[part]), part), default=b"")
        if len(holders.get(part, ())) < 2:
            break
        rest = [text for text in rest if part not in text] + [part]
    return first + rest


@cache
def matcher_for(literals: tuple[bytes, ...]) -> LiteralMatcher:
    """Return the search for ``literals``, made once."""
    return LiteralMatcher(literals)


class LiteralMatcher:
    """Finds where one of ``literals`` stands in a block; safe to share between threads."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        searched = fewest(literals)
        self._automata = [
            BytesAhoCorasick(searched[at : at + AT_ONCE], matchkind=MATCHKIND_LEFTMOST_FIRST)
            for at in range(0, len(searched), AT_ONCE)
        ]

    def starts(self, block: bytes | bytearray | memoryview) -> Sequence[int]:
        """Return the offsets of the hits, in their order. The lock of the interpreter is free."""
        found = [
            start
            for automaton in self._automata
            for _, start, _ in automaton.find_matches_as_indexes(block)
        ]
        if len(self._automata) > 1:
            found.sort()
        return found
