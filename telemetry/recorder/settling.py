"""At the end of a fold, what its memory is made of, and what the allocator gives back to the kernel.

What RSS has grown by may be in use still, or freed and kept: by malloc, for the next time, or by a framework's pool. Only
giving it back tells the two apart, since a kept page looks like one in use. The reading under the fold's last label is
taken before, so a run that settles and one that does not are compared alike.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from telemetry.interruption import pass_on
from telemetry.kernel.descriptor_identity import read_descriptors_by_identity
from telemetry.kernel.map_identity import read_maps_by_identity
from telemetry.kernel.tree_memory import read_tree_memory
from telemetry.recorder.allocator import find_allocator
from telemetry.recorder.framework_pools import read_framework_pools

if TYPE_CHECKING:
    from telemetry.reading import Reading
    from telemetry.recorder.allocator import Allocator
    from telemetry.recorder.sampler import Sampler

SETTLED = "settled"
"""The journal's event."""
OWN_POOLS = ("tensorflow", "torch", "jax", "pyarrow", "polars", "duckdb", "cupy")
"""Packages that keep memory of the CPU in a pool of their own, past malloc or in large blocks of it."""
_PARTS = {
    "rss": "rss_bytes",
    "anon": "rss_anon_bytes",
    "file": "rss_file_bytes",
    "shmem": "rss_shmem_bytes",
}


def settle(sampler: Sampler) -> None:
    """Let the allocator give back what it keeps; record an event with the memory before and after, in bytes."""
    allocator = find_allocator()
    reading, before = _memory(sampler, allocator)
    began = time.perf_counter()
    if allocator is not None:
        allocator.release()
    seconds = time.perf_counter() - began
    _, after = _memory(sampler, allocator)
    facts: dict[str, object] = {"before": before, "after": after, "seconds": seconds}
    if allocator is not None:
        facts["allocator"] = allocator.name
    if pools := [name for name in OWN_POOLS if name in sys.modules]:
        facts["own_pools"] = pools
    try:
        facts["maps"] = read_maps_by_identity(reading.pid)
        facts["descriptors"] = read_descriptors_by_identity(reading.pid)
        if (tree := read_tree_memory(reading.pid)) is not None:
            facts["tree"] = tree._asdict()
    except OSError as error:  # no descriptor is left
        pass_on(error)
        sampler.record_failure("maps", str(error))
    if reading.fold is not None:
        facts |= {"fold": reading.fold, "folds": reading.folds}
    sampler.event(SETTLED, facts)


def _memory(sampler: Sampler, allocator: Allocator | None) -> tuple[Reading, dict[str, int]]:
    reading = sampler.sample()
    found: dict[str, int | None] = {name: getattr(reading, field) for name, field in _PARTS.items()}
    if allocator is not None:
        held = allocator.held()
        found |= {"in_use": held.in_use_bytes, "kept": held.kept_bytes}
    found["python_blocks"] = _python_blocks()
    known = {name: value for name, value in found.items() if value is not None}
    return reading, known | read_framework_pools(sampler.record_failure)


def _python_blocks() -> int | None:
    """Blocks that Python's own allocator has handed out: objects of up to 512 bytes."""
    try:
        return sys.getallocatedblocks()
    except Exception as error:  # noqa: BLE001 - another interpreter may not have it
        pass_on(error)
        return None
