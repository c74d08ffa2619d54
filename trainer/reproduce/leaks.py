"""The reference run with a leak: what a fold holds and never gives back, until a real limit ends it.

Owns the leaks of ``foldwatch reproduce``. Each is a model as ``foldwatch train`` takes one: it trains
the reference fold, leaks, takes the label ``after leak``, and then needs a pool of threads as every
input pipeline does. It must not know which process it runs in: alone in one, a fold's leak fits.
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
"""What one fold leaks of the headroom that there was after the first: two folds fit, a third does not."""
PIECE_BYTES = 2**20
INCIDENT_BYTES = 96 * 2**20
"""What a fold of the incident leaves resident beside its maps."""

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
    """Keep memory: touched, or only reserved where the address space is what is limited."""

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
    with suppress(OSError):  # at the limit: as a library goes on that tried to map a file
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
def _share(*ceilings: str) -> int:
    """Return how much a fold of this process leaks; of several ceilings the nearest counts."""
    rooms = [room for name in ceilings if (room := _headroom(name)) is not None]
    return int(SHARE * min(rooms, default=0))


def _headroom(ceiling: str) -> int | None:
    reader = Reader()
    try:
        reading = reader.read(in_full=True)
    finally:
        reader.close()
    if ceiling == "nproc" and reading.is_exempt_from_nproc:
        return None
    room = reading.usage(ceiling).headroom
    if room is not None and ceiling == "cgroup_memory":
        room += reading.cgroup_memory_reclaimable_bytes or 0
    return room


def _pipeline(fold: Fold) -> tf.data.Dataset:
    return fold.bound(tf.data.Dataset.range(8).map(lambda number: number))


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _touched() -> bytes:
    return b"\1" * PIECE_BYTES
