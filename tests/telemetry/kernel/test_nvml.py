"""GPUs: none here, and what the driver's answers become, with an NVML that answers as recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from telemetry.kernel.nvml import Gpus, load_nvml
from telemetry.reading import GpuUsage

if TYPE_CHECKING:
    from pathlib import Path


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

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:  # noqa: N802
        if "instance" in handle:
            return [SimpleNamespace(pid=9, usedGpuMemory=None)]
        return [
            SimpleNamespace(pid=9, usedGpuMemory=2),
            SimpleNamespace(pid=9, usedGpuMemory=1),
            SimpleNamespace(pid=8, usedGpuMemory=99),
        ]


def test_devices_instances_and_missing_permissions() -> None:
    """A number that the driver refuses is None and the others stay."""
    assert Gpus(Nvml(), pid=9).read() == (
        GpuUsage(
            gpu="0", used_bytes=5, total_bytes=10, utilization_ratio=0.37, process_used_bytes=3
        ),
        GpuUsage(gpu="1/0", used_bytes=5, total_bytes=10),
        GpuUsage(gpu="1/2"),
    )
    assert Gpus(Nvml(), pid=7).read()[0].process_used_bytes is None


def test_no_driver_costs_nothing(tmp_path: Path) -> None:
    """The library is not even looked for."""
    import sys

    was_loaded = "pynvml" in sys.modules
    assert load_nvml(driver=str(tmp_path / "version")) is None
    assert ("pynvml" in sys.modules) == was_loaded


def test_a_driver_file_without_a_driver_is_none(tmp_path: Path) -> None:
    """NVML's own refusal to start."""
    (tmp_path / "version").write_text("NVRM version: none")
    assert load_nvml(driver=str(tmp_path / "version")) is None
