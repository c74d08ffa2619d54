"""NVIDIA's numbers of its GPUs, through nvidia-ml-py: memory, utilisation, and this process's share.

Without a driver nothing is loaded. A number that may not be read (MIG, a container without
permissions) is None and the others stay; nothing is raised. NVML API reference:
nvmlDeviceGetMemoryInfo, ...GetUtilizationRates, ...GetComputeRunningProcesses,
...GetMigDeviceHandleByIndex, ...GetTotalEccErrors, ...GetCurrentClocksThrottleReasons.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from telemetry.interruption import pass_on
from telemetry.reading import GpuUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")
DRIVER = "/proc/driver/nvidia/version"
THROTTLE_REASONS = {
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
}
"""nvmlClocksThrottleReasons in nvml.h, without those by which an idle GPU or its owner lowers the clocks."""
UNCORRECTED, SINCE_LOADED = 1, 0
"""NVML_MEMORY_ERROR_TYPE_UNCORRECTED and NVML_VOLATILE_ECC."""


def load_nvml(*, driver: str = DRIVER) -> Any | None:
    """Load and initialise NVML; None without a driver or without nvidia-ml-py."""
    if not os.path.exists(driver):
        return None
    try:
        import pynvml  # noqa: PLC0415 - only a machine with a GPU pays for it
    except ImportError as error:
        pass_on(error)
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


class Gpus:
    """Every GPU and MIG instance that this process can see.

    Invariant: handles are taken once; `read` asks for numbers only.
    """

    def __init__(self, nvml: Any, *, pid: int) -> None:
        self._nvml = nvml
        self._pid = pid
        self._devices = list(self._find())

    def read(self) -> tuple[GpuUsage, ...]:
        """Read every device; a number that the driver refuses is None."""
        return tuple(self._read(gpu, handle) for gpu, handle in self._devices)

    def _find(self) -> Iterator[tuple[str, Any]]:
        nvml = self._nvml
        for index in range(self._ask(nvml.nvmlDeviceGetCount) or 0):
            handle = self._ask(nvml.nvmlDeviceGetHandleByIndex, index)
            if handle is None:
                continue
            instances = list(self._instances(handle))
            if not instances:
                yield str(index), handle
            for number, instance in instances:
                yield f"{index}/{number}", instance

    def _instances(self, handle: Any) -> Iterator[tuple[int, Any]]:
        """Give the MIG instances of a device; none where MIG is off or not known to it."""
        nvml = self._nvml
        mode = self._ask(nvml.nvmlDeviceGetMigMode, handle)
        if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return
        for number in range(self._ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            instance = self._ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
            if instance is not None:
                yield number, instance

    def _read(self, gpu: str, handle: Any) -> GpuUsage:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)  # not known to an instance
        return GpuUsage(
            gpu=gpu,
            used_bytes=None if memory is None else int(memory.used),
            total_bytes=None if memory is None else int(memory.total),
            utilization_ratio=None if rates is None else rates.gpu / 100,
            process_used_bytes=self._used_by_process(handle),
            ecc_errors=self._ask(
                nvml.nvmlDeviceGetTotalEccErrors, handle, UNCORRECTED, SINCE_LOADED
            ),
            throttled_by=self._throttled_by(handle),
        )

    def _throttled_by(self, handle: Any) -> tuple[str, ...] | None:
        reasons = self._ask(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        if reasons is None:
            return None
        return tuple(name for name, bit in THROTTLE_REASONS.items() if reasons & bit)

    def _used_by_process(self, handle: Any) -> int | None:
        """Add up this process's entries; None if its PID is not seen, as in a PID namespace."""
        processes = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        used = [
            int(process.usedGpuMemory)
            for process in processes or ()
            if process.pid == self._pid and process.usedGpuMemory is not None
        ]
        return sum(used) if used else None

    def _ask(self, question: Callable[..., Value], *arguments: Any) -> Value | None:
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None
