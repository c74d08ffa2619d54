"""What a log prints of limits by itself, and how far away a limit was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.processes.printed_limits import held_share, printed_limits
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30
ROW = "[THREADS] Fold {}/3 {}: proc=8, cgroup={}/{}, maps={}/65530, rss=700MB\n"
THREAD = "RuntimeError: can't start new thread\n"


@pytest.mark.parametrize(
    ("text", "cause", "limit", "current"),
    [
        ("max user processes                  (-u) 4096\n", "nproc", 4096, None),
        ("-u: processes                       1029364\n", "nproc", 1029364, None),
        ("virtual memory          (kbytes, -v) unlimited\n", "address_space", None, None),
        ("-v: address space (kbytes)          10000000\n", "address_space", 10_240_000_000, None),
        ("$ ulimit -u\n65535\n", "nproc", 65535, None),
        ("+ ulimit -v 4194304\n", "address_space", 4 * GIB, None),
        ("#$ -l h_vmem=8G -pe smp 1\n", "address_space", 8 * GIB, None),
        ("Max open files            1024        524288       files\n", "open_files", 1024, None),
        ("$ docker run --pids-limit=2048 img\n", "pids_cgroup", 2048, None),
        ("$ docker run --ulimit nproc=300 img\n", "nproc", 300, None),
        ("$ docker run --shm-size 64m img\n", "shared_memory", 64 * 2**20, None),
        ("$ docker run --memory=8g img\n", "cgroup_memory", 8 * GIB, None),
        ("#SBATCH --mem=16G\n", "cgroup_memory", 16 * GIB, None),
        ("#SBATCH --mem=4096\n", "cgroup_memory", 4 * GIB, None),
        ("    Limits:\n      cpu:     4\n      memory:  8Gi\n", "cgroup_memory", 8 * GIB, None),
        ("   ReqTRES=cpu=4,mem=16G,node=1\n", "cgroup_memory", 16 * GIB, None),
        (
            "Memory Utilized: 2.50 GB\nMemory Efficiency: 25.00% of 10.00 GB\n",
            "cgroup_memory",
            10 * GIB,
            round(2.5 * GIB),
        ),
        ("Mem:  189G  188G  0B  0B\n", "host_memory", 189 * GIB, 188 * GIB),
        (
            "MemTotal:   1048576 kB\nMemAvailable:   1024 kB\n",
            "host_memory",
            GIB,
            GIB - 2**20,
        ),
        (
            "GPU 0 has a total capacity of 15.50 GiB of which 512.00 MiB is free.\n",
            "gpu_memory",
            round(15.5 * GIB),
            15 * GIB,
        ),
    ],
)
def test_a_printed_limit_is_read(
    text: str, cause: str, limit: int | None, current: int | None
) -> None:
    """Of shells, containers, schedulers, free, the kernel and the GPU's message."""
    (found,) = printed_limits(f"first line\n{text}last line\n", first_line=11)
    assert found.cause == cause
    assert found.limit == (LimitState.UNLIMITED if limit is None else limit)
    assert found.current == current
    assert found.line == 11 + text.count("\n")
    assert found.text in text


def test_text_without_limits_has_none() -> None:
    """Options of a training, and prose."""
    calm = "python train.py --memory-efficient --mem_size 4 -u\nmemory: 12 of 16\nulimit is fine\n"
    assert [*printed_limits(calm)] == []


def test_what_pytorch_itself_holds_is_told() -> None:
    """By both forms of its message."""
    old = "(GPU 0; 16.00 GiB total capacity; 4.00 GiB already allocated; 13.75 MiB free)"
    new = "total capacity of 16.00 GiB of which 1 GiB is free. 8.00 GiB is allocated by PyTorch"
    assert (held_share(old), held_share(new), held_share("out of memory")) == (0.25, 0.5, None)


def confidences(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "a.log"
    path.write_text(text)
    (found,) = analyze(path).findings
    return {cause.cause: str(cause.confidence) for cause in found.causes}


def test_a_limit_that_the_log_says_is_none_is_ruled_out(tmp_path: Path) -> None:
    """As ``ulimit -a`` has it."""
    found = confidences(tmp_path, "-d: data seg size (kbytes)  unlimited\n" + THREAD)
    assert (found["data_size"], found["address_space"]) == ("ruled out", "possible")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("6.71 GiB", "likely"), ("900. MiB", "possible"), ("12 bytes", "possible")],
)
def test_what_asks_for_half_of_the_address_space_at_once_met_that_limit(
    tmp_path: Path, asked: str, expected: str
) -> None:
    """As Grid Engine sets it; a small request may have met any limit."""
    text = f"virtual memory  (kbytes, -v) 8388608\nMemoryError: Unable to allocate {asked} for an array\n"
    found = confidences(tmp_path, text)
    assert (found["address_space"], found["host_memory"]) == (expected, "possible")


def test_a_limit_far_away_is_unlikely(tmp_path: Path) -> None:
    """122 of 65,530 maps; both numbers are told."""
    found = confidences(tmp_path, ROW.format(1, "START", 20, 7680, 122) + THREAD)
    assert (found["max_map_count"], found["pids_cgroup"]) == ("unlikely", "unlikely")
    (finding,) = analyze(tmp_path / "a.log").findings
    cause = next(cause for cause in finding.causes if cause.cause == "max_map_count")
    assert cause.evidence[0] == "65,408 were left, and the largest step of this run was 122"


def test_a_limit_that_the_next_stage_uses_up_is_likely(tmp_path: Path) -> None:
    """It took thirty in the fold before, and fewer were left."""
    rows = [
        ROW.format(fold, stage, pids, 64, 900)
        for fold, stage, pids in (
            (1, "START", 11),
            (1, "after model", 41),
            (1, "END", 36),
            (2, "START", 36),
        )
    ]
    assert confidences(tmp_path, "".join(rows) + THREAD)["pids_cgroup"] == "likely"
    far = [row.replace("/64,", "/7680,") for row in rows]
    assert confidences(tmp_path, "".join(far) + THREAD)["pids_cgroup"] == "unlikely"
