"""file pages: every fold reads one more shard by np.memmap and leaves it mapped.

Remedy: none is needed, for the kernel takes clean file pages back; or drop the maps, or read in pieces.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from functools import partial

import numpy as np

from tests.scripts.memory_natures.folds import in_threads, run_folds

ON_DISK = "/var/tmp"
"""Not a tmpfs, whose pages count as shared memory."""

shards: list[np.memmap[tuple[int, ...], np.dtype[np.uint8]]] = []


def write(path: str, seed: int, megabytes: int) -> None:
    chance = np.random.default_rng(seed)
    block = chance.integers(0, 255, 1 << 20, dtype=np.uint8).tobytes()
    with open(path, "wb") as file:
        file.writelines(block for _ in range(megabytes))


def augment(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(10):
        np.tanh(chance.random(int(chance.integers(20_000, 300_000)))).sum()


def work(folder: str, fold: int) -> None:
    path = os.path.join(folder, f"shard-{fold}.bin")
    write(path, fold, 40 + 3 * (fold % 3))
    with in_threads(*(partial(augment, fold * 2 + i) for i in range(2))):
        shards.append(np.memmap(path, dtype=np.uint8, mode="r"))
        for shard in shards:  # of all folds so far: every page is touched
            shard[::4096].sum()
    gc.collect()


def main() -> None:
    folder = tempfile.mkdtemp(prefix="shards-", dir=ON_DISK)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run_folds(partial(work, folder))


if __name__ == "__main__":
    main()
