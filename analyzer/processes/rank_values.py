"""What ranks are compared by beside the columns of their readings, which are judged for growth too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

Place = tuple[int | None, str]
"""A fold and a stage."""

CPU_CORES = "cpu_cores"
OWN_GPU_MEMORY = "own_gpu_memory_bytes"
LABELS_KEPT = 24
SHORTEST_SECONDS = 1.0
"""Between two labels: the kernel counts CPU time in ticks of 10 ms."""


class RankValues:
    """Values of one process at its last labels.

    That is the CPU time in a second since the label before, and the memory of all GPUs that this process holds: the GPU
    that is the fullest is the same one for all ranks of a host.
    """

    def __init__(self) -> None:
        self._at: dict[Place, Mapping[str, float]] = {}
        self._before: Reading | None = None

    def take(self, reading: Reading) -> None:
        """Take a reading at a label."""
        found = {CPU_CORES: self._cores(reading), OWN_GPU_MEMORY: _own_gpu_memory(reading)}
        place, self._before = (reading.fold, reading.stage or ""), reading
        self._at.pop(place, None)
        self._at[place] = {name: value for name, value in found.items() if value is not None}
        if len(self._at) > LABELS_KEPT:
            del self._at[next(iter(self._at))]

    def at(self, place: Place) -> Mapping[str, float]:
        """Return the values that are known at the last label with this fold and stage."""
        return self._at.get(place, {})

    def _cores(self, reading: Reading) -> float | None:
        before = self._before
        if before is None or before.cpu_seconds is None or reading.cpu_seconds is None:
            return None
        seconds, used = reading.time - before.time, reading.cpu_seconds - before.cpu_seconds
        return used / seconds if seconds >= SHORTEST_SECONDS and used >= 0 else None


def _own_gpu_memory(reading: Reading) -> float | None:
    own = [gpu.process_used_bytes for gpu in reading.gpus or ()]
    known = [used for used in own if used is not None]
    return sum(known) if known else None
