"""Kernel files that are hardly ever changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from telemetry.kernel import kernel_file
from telemetry.kernel.kernel_file import SettledFile

if TYPE_CHECKING:
    from pathlib import Path


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_settled_file_is_read_now_and_then_and_holds_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held stays while it cannot be read."""
    path = tmp_path / "max_map_count"
    path.write_text("65530\n")
    before, settled = descriptors(), SettledFile(str(path))
    assert settled.read() == b"65530\n"
    assert descriptors() == before
    path.write_text("262144\n")
    assert settled.read() == b"65530\n"
    monkeypatch.setattr(kernel_file, "SETTLED_SECONDS", 0.0)
    settled = SettledFile(str(path))
    assert settled.read() == b"262144\n"
    path.write_text("65530\n")
    assert settled.read() == b"65530\n"
    path.unlink()
    assert settled.read() == b"65530\n"


def test_a_settled_file_that_was_never_there_is_an_error(tmp_path: Path) -> None:
    """Each time, for it may come."""
    settled = SettledFile(str(tmp_path / "gone"))
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            settled.read()
