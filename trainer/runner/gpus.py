"""`GpuPool`: which GPUs of this host each fold gets, so that folds side by side do not meet on one.

A device is named as CUDA_VISIBLE_DEVICES names it: an index, a UUID (``GPU-...``), or a MIG instance (``MIG-...``). What
that variable lists is all that a run may use; without it, what ``nvidia-smi -L`` lists. See "CUDA Environment Variables"
in the CUDA C++ Programming Guide, and the MIG User Guide: an instance is addressed by its UUID alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from telemetry.errors import InputError
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"
PLACEHOLDER = "{gpu}"
LIST_SECONDS = 60.0
"""For nvidia-smi, which loads the driver first where nothing keeps it loaded."""
# GPU 0: NVIDIA H200 (UUID: GPU-8f6e...)
#   MIG 1g.18gb     Device  0: (UUID: MIG-41b2...)
_LISTED = re.compile(r"^(?:GPU (?P<index>\d+):|\s+MIG ).*\(UUID: (?P<uuid>[\w-]+)\)", re.MULTILINE)

_DEVICE = re.compile(r"[0-9]+|(?:GPU|MIG)-[\w/-]+")


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the devices that a run may use. Raises InputError where they cannot be listed."""
    if (listed := environment.get(VARIABLE)) is not None:
        devices: list[str] = []
        for name in (word.strip() for word in listed.split(",")):
            if not _DEVICE.fullmatch(name):
                break  # CUDA sees none from the first invalid one on: -1, or NoDevFiles of Slurm
            devices.append(name)
        return list(dict.fromkeys(devices))
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, check=False, timeout=LIST_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or f"no answer within {LIST_SECONDS:g} s"
        raise InputError(f"--gpus: nvidia-smi -L: {why}; name the devices in {VARIABLE}") from error
    if done.returncode:
        said = clean_label((done.stdout + done.stderr).decode("utf-8", "replace").strip())
        raise InputError(f"--gpus: nvidia-smi -L: {said or f'exit code {done.returncode}'}")
    return _listed(done.stdout.decode("utf-8", "replace"))


def _listed(text: str) -> list[str]:
    """Return the devices of ``nvidia-smi -L``; of a GPU that is parted its instances."""
    devices: list[tuple[str, list[str]]] = []
    for match in _LISTED.finditer(text):
        if match["index"] is not None:
            devices.append((match["index"], []))
        elif devices:
            devices[-1][1].append(match["uuid"])
    return [name for index, instances in devices for name in instances or [index]]


class GpuPool:
    """Deals devices out and takes them back."""

    def __init__(self, devices: list[str], *, each: int, parallel: int) -> None:
        """Take the devices, and how many each of the parallel folds gets. Raises InputError if there are too few."""
        if each * parallel > len(devices):
            there = f"{len(devices)} visible ({', '.join(devices)})" if devices else "none visible"
            beside = f" --parallel {parallel}" if parallel > 1 else ""
            raise InputError(f"--gpus {each}{beside}: {each * parallel} needed, {there}")
        self._free = list(devices)
        self._each = each

    def take(self) -> tuple[str, ...] | None:
        """Return the devices of one more fold; None if too few are free."""
        if len(self._free) < self._each:
            return None
        taken, self._free = tuple(self._free[: self._each]), self._free[self._each :]
        return taken

    def give_back(self, devices: tuple[str, ...]) -> None:
        """Let another fold have them; they are the first to be dealt out again."""
        self._free[:0] = devices
