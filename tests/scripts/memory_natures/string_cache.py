"""held: the keys of a memo of rendered strings name the fold, so that no entry is ever used again.

Remedy: bound the cache, as by ``functools.lru_cache(maxsize=...)``, or clear it.
"""

from __future__ import annotations

import gc
import hashlib
import json
from functools import partial

from tests.scripts.memory_natures.folds import in_threads, run_folds

CACHE: dict[str, str] = {}


def render(fold: int, row: int) -> str:
    key = f"fold={fold}/row={row}"
    hit = CACHE.get(key)
    if hit is None:
        digest = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        hit = CACHE[key] = (digest + "|" + key) * (1 + row % 4)
    return hit


def tokenise(seed: int) -> int:
    total = 0
    for _ in range(30):
        text = json.dumps([{"a": seed + j, "b": "x" * (j % 50)} for j in range(1500)])
        total += len(json.loads(text))
    return total


def work(fold: int) -> None:
    with in_threads(*(partial(tokenise, fold + i) for i in range(2))):
        for row in range(110_000 + 9_000 * (fold % 3)):
            render(fold, row)
    gc.collect()


if __name__ == "__main__":
    run_folds(work)
