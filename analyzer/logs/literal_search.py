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
SHARED_BYTES = 7
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
    holders: dict[bytes, set[bytes]] = defaultdict(set)
    for text in rest:
        for at in range(len(text) - SHARED_BYTES + 1):
            holders[text[at : at + SHARED_BYTES]].add(text)
    holders = {part: texts for part, texts in holders.items() if len(texts) > 1}
    left = dict.fromkeys(rest)
    parts: list[bytes] = []
    while len(first) + len(left) + len(parts) > at_most and holders:
        part = max(holders, key=lambda part: (len(holders[part]), part))
        shared = holders.pop(part)
        if len(shared) < 2:
            break
        parts.append(part)
        for text in shared:
            del left[text]
            for at in range(len(text) - SHARED_BYTES + 1):
                if (others := holders.get(text[at : at + SHARED_BYTES])) is not None:
                    others.discard(text)
    return [*first, *left, *parts]


@cache
def matcher_for(literals: tuple[bytes, ...]) -> LiteralMatcher:
    """Return the search for ``literals``, made once."""
    return LiteralMatcher(literals)


class LiteralMatcher:
    """Finds where one of ``literals`` stands in a block; safe to share between threads."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        # The search is fast if those that are searched for together begin alike as little as can be.
        first, *rest = fewest(literals)
        searched = [first, *sorted(rest, key=len, reverse=True)]
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
