"""The reference run with a leak: objects that a fold never releases, until a real limit ends the process.

Each leak of ``foldwatch reproduce`` is a model as ``foldwatch train`` takes one: it trains the reference fold,
leaks, takes the checkpoint ``after leak``, and then needs a pool of threads as every input pipeline does. In a
process of its own, a fold's leak fits.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import tensorflow as tf

from telemetry.kernel.reader import Reader
from trainer.reference import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.worker.fold import Fold

SHARE = 0.48
"""The share of the headroom after the first fold that each fold leaks: two fit, a third does not."""
PIECE_BYTES = 2**20
INCIDENT_BYTES = 96 * 2**20
"""Resident memory that a fold of the incident leaves, besides its maps."""

_kept: list[object] = []


def pids(fold: Fold) -> dict[str, float]:
    """Keep iterators, each with the private pool of threads of its input pipeline."""

    def leak() -> None:
        target = _threads() + _share("pids_cgroup", "nproc")
        while _threads() < target:
            iterator = iter(_pipeline(fold))
            next(iterator)
            _kept.append(iterator)

    return _train(fold, leak)


def maps(fold: Fold) -> dict[str, float]:
    """Keep memory maps of one page that is never touched."""
    return _train(fold, _leak_maps)


def memory(fold: Fold) -> dict[str, float]:
    """Keep memory: touched, or only reserved if the address space is limited."""

    def leak() -> None:
        is_in_cgroup = _headroom("cgroup_memory") is not None
        pieces = _share("cgroup_memory", "address_space") // PIECE_BYTES
        _kept.extend(
            _touched() if is_in_cgroup else mmap.mmap(-1, PIECE_BYTES) for _ in range(pieces)
        )

    return _train(fold, leak)


def incident(fold: Fold) -> dict[str, float]:
    """Keep maps and resident memory, and not one thread, as in the incident's log."""

    def leak() -> None:
        _kept.extend(_touched() for _ in range(INCIDENT_BYTES // PIECE_BYTES))
        _leak_maps()

    return _train(fold, leak)


def _train(fold: Fold, leak: Callable[[], None]) -> dict[str, float]:
    metrics: dict[str, float] = train(fold)
    with suppress(OSError):  # at the limit: go on, like a library that failed to map a file
        leak()
    fold.checkpoint("after leak")
    for _ in _pipeline(fold):
        pass
    return metrics


def _leak_maps() -> None:
    # Neighbours differ in their permissions, so that the kernel cannot merge them.
    kinds = (mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    _kept.extend(
        mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=kinds[number % 2])
        for number in range(_share("max_map_count"))
    )


@cache
def _share(*limits: str) -> int:
    """Return how much a fold of this process leaks; of several limits the nearest counts."""
    headrooms = [left for name in limits if (left := _headroom(name)) is not None]
    return int(SHARE * min(headrooms, default=0))


def _headroom(limit: str) -> int | None:
    reader = Reader()
    try:
        reading = reader.read(in_full=True)
    finally:
        reader.close()
    if limit == "nproc" and reading.is_exempt_from_nproc:
        return None
    headroom = reading.usage(limit).headroom
    if headroom is not None and limit == "cgroup_memory":
        headroom += reading.cgroup_memory_reclaimable_bytes or 0
    return headroom


def _pipeline(fold: Fold) -> tf.data.Dataset:
    return fold.bound(tf.data.Dataset.range(8).map(lambda number: number))


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _touched() -> bytes:
    return b"\1" * PIECE_BYTES
