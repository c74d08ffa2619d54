"""held: small Python objects, one for each sample seen, are appended to a global list that nobody empties.

Remedy: empty HISTORY at the end of a fold.
"""

from __future__ import annotations

import gc
import random
from functools import partial

from tests.scripts.memory_natures.folds import in_threads, run_folds


class Seen:
    """A sample that was seen."""

    __slots__ = ("ident", "score", "tags")

    def __init__(self, ident: int, score: float, tags: tuple[int, str]) -> None:
        self.ident, self.score, self.tags = ident, score, tags


HISTORY: list[Seen] = []


def parse(seed: int, count: int) -> int:
    chance = random.Random(seed)
    rows = [(i, str(chance.random())) for i in range(count)]
    rows.sort(key=lambda row: row[1])
    return len(rows)


def work(fold: int) -> None:
    chance = random.Random(fold)
    calls = [partial(parse, fold * 7 + i, 20000 + chance.randrange(20000)) for i in range(3)]
    with in_threads(*calls):
        for i in range(170_000 + chance.randrange(40_000)):
            scratch = [i, i + 1, i + 2]  # dies at once
            tags = (scratch[0] & 7, "train")
            HISTORY.append(Seen(10_000_000 * fold + i, chance.random(), tags))
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
