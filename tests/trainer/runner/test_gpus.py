"""Each fold gets GPUs of its own, named as CUDA names them; more than there are, are refused."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from telemetry.errors import InputError
from tests.support.programs import CommandOutcome, run_python
from trainer.runner.gpus import GpuPool, visible_gpus

if TYPE_CHECKING:
    from pathlib import Path

MIG = "MIG-41b2a0c4-9f0e-5d3c-8a0e-1f2d3c4b5a69"
UUID = "GPU-8f6e3d2c-1b0a-4f9e-8d7c-6b5a49382716"
LISTED = f"""GPU 0: NVIDIA H200 (UUID: {UUID})
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0f6e3d2c-1b0a-4f9e-8d7c-6b5a49382716)
  MIG 1g.5gb      Device  0: (UUID: {MIG})
  MIG 1g.5gb      Device  1: (UUID: {MIG[:-1]}0)
GPU 2: NVIDIA L4 (UUID: GPU-1f6e3d2c-1b0a-4f9e-8d7c-6b5a49382716)
"""


@pytest.mark.parametrize(
    ("listed", "devices"),
    [
        ("0,1,2", ["0", "1", "2"]),
        (f" {UUID} , {MIG}", [UUID, MIG]),
        ("3,1,-1,2", ["3", "1"]),
        ("", []),
        ("-1", []),
        ("0,,1", ["0"]),
        ("NoDevFiles", []),
        ("1,x", ["1"]),
    ],
)
def test_what_the_environment_lists_is_all_there_is(listed: str, devices: list[str]) -> None:
    """As CUDA reads it: nothing from the first invalid name on."""
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": listed}) == devices


def test_else_nvidia_smi_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is parted by its instances, which have no index."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert visible_gpus({}) == ["0", MIG, f"{MIG[:-1]}0", "2"]


def test_a_driver_that_does_not_answer_is_no_lack_of_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tool says is the reason."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed: no driver'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="nvidia-smi -L: NVIDIA-SMI has failed: no driver"):
        visible_gpus({})


def test_without_either_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver, no list."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="name the devices in CUDA_VISIBLE_DEVICES"):
        visible_gpus({})


@pytest.mark.parametrize(
    ("devices", "each", "parallel", "told"),
    [
        ([], 1, 1, r"--gpus 1: 1 needed, none visible"),
        (["0", "1", "2"], 2, 2, r"--gpus 2 --parallel 2: 4 needed, 3 visible \(0, 1, 2\)"),
    ],
)
def test_more_than_there_are_is_refused(
    devices: list[str], each: int, parallel: int, told: str
) -> None:
    """With both numbers."""
    with pytest.raises(InputError, match=told):
        GpuPool(devices, each=each, parallel=parallel)


def test_no_two_folds_have_one_in_common() -> None:
    """They are dealt out in order, and again once they are back."""
    pool = GpuPool(["0", "1", "2", "3", "4"], each=2, parallel=2)
    first, second = pool.take(), pool.take()
    assert (first, second, pool.take()) == (("0", "1"), ("2", "3"), None)
    assert first is not None
    pool.give_back(first)
    assert pool.take() == ("0", "1")


def run(place: Path, devices: str, *options: str) -> CommandOutcome:
    show = "import os, sys; print(sys.argv[1], os.environ['CUDA_VISIBLE_DEVICES'])"
    arguments = ("-m", "foldwatch", "run", *options, "--output", str(place / "run"))
    command = ("--", sys.executable, "-c", show, "{fold}:{gpu}")
    return run_python(*arguments, *command, environment={"CUDA_VISIBLE_DEVICES": devices})


@pytest.mark.slow
def test_each_fold_of_a_run_is_told_its_own(tmp_path: Path) -> None:
    """In its environment, in its command, and on the screen."""
    outcome = run(tmp_path, f"{UUID},{MIG},7", "--folds", "3", "--parallel", "3", "--gpus", "1")
    assert outcome.code == 0, outcome.err
    seen = dict(re.findall(r"^fold (\d) \| \d:(\S+) \2$", outcome.err, re.MULTILINE))
    assert sorted(seen.values()) == sorted([UUID, MIG, "7"])
    assert dict(re.findall(r"^fold (\d): GPU (\S+)$", outcome.err, re.MULTILINE)) == seen


@pytest.mark.slow
def test_without_the_option_the_devices_and_the_braces_stay(tmp_path: Path) -> None:
    """Nothing is changed in silence."""
    outcome = run(tmp_path, "1,0")
    assert "fold 1 | 1:{gpu} 1,0\n" in outcome.err


@pytest.mark.slow
def test_too_few_end_a_run_before_anything_is_made(tmp_path: Path) -> None:
    """In one line."""
    outcome = run(tmp_path, "0", "--gpus", "2")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert not (tmp_path / "run").exists()
