"""GPUs: none here, and what the driver's answers become, with an NVML that answers as recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.kernel.nvml import Gpus, load_nvml
from telemetry.reading import GpuUsage
from tests.support.nvml import Nvml

if TYPE_CHECKING:
    from pathlib import Path


def test_devices_instances_and_missing_permissions() -> None:
    """A number that the driver refuses is None and the others stay."""
    assert Gpus(Nvml(), pid=9).read() == (
        GpuUsage(
            gpu="0",
            used_bytes=5,
            total_bytes=10,
            utilization_ratio=0.37,
            process_used_bytes=3,
            ecc_errors=2,
            throttled_by=("sw_power_cap", "hw_thermal"),
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
