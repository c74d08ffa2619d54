"""NVML as it answers on a machine with GPUs, recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Nvml:
    """Two devices: one plain, one cut into MIG instances of which one slot is empty."""

    NVML_DEVICE_MIG_ENABLE = 1

    class NVMLError(Exception):
        """What pynvml raises."""

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's names
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return f"gpu {index}"

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:  # noqa: N802
        if handle == "gpu 0":
            raise self.NVMLError("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, _handle: str) -> int:  # noqa: N802
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, number: int) -> str:  # noqa: N802
        if number == 1:
            raise self.NVMLError("Not Found")
        return f"{handle} instance {number}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:  # noqa: N802
        if handle.endswith("2"):
            raise self.NVMLError("Insufficient Permissions")
        return SimpleNamespace(used=5, total=10)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:  # noqa: N802
        if "instance" in handle:
            raise self.NVMLError("Not Supported")
        return SimpleNamespace(gpu=37, memory=1)

    def nvmlDeviceGetTotalEccErrors(self, handle: str, kind: int, counter: int) -> int:  # noqa: N802
        if "instance" in handle:
            raise self.NVMLError("Not Supported")
        return 2 if (kind, counter) == (1, 0) else 0

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:  # noqa: N802
        if "instance" in handle:
            raise self.NVMLError("Not Supported")
        return 0x1 | 0x4 | 0x40

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:  # noqa: N802
        if "instance" in handle:
            return [SimpleNamespace(pid=9, usedGpuMemory=None)]
        return [
            SimpleNamespace(pid=9, usedGpuMemory=2),
            SimpleNamespace(pid=9, usedGpuMemory=1),
            SimpleNamespace(pid=8, usedGpuMemory=99),
        ]
