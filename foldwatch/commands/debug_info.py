"""``foldwatch debug-info``: the facts that a bug report needs."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

from foldwatch import __version__
from foldwatch.host_record import HostRecorder
from foldwatch.terminal import print_output
from telemetry.errors import InputError
from telemetry.file_fault import reason
from telemetry.formatting import format_amount
from telemetry.kernel.applied_limits import read_applied_limits
from telemetry.limits import LIMITS
from telemetry.masking import masked
from telemetry.reading import LimitState
from telemetry.thread_line import clean_label

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer()
PACKAGES = (
    *("tensorflow", "keras", "torch", "jax", "numpy", "scikit-learn", "lightning", "transformers"),
    *("psutil", "prometheus-client", "google-re2", "pandas", "textual", "nvidia-ml-py", "pystack"),
)
PREFIXES = (
    *(
        "FOLDWATCH_",
        "OMP_",
        "KMP_",
        "MKL_",
        "OPENBLAS_",
        "TF_",
        "XLA_",
        "CUDA_",
        "NVIDIA_",
        "NCCL_",
    ),
    *("SLURM_", "OMPI_", "PMI", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "PYTHON", "JOBLIB_"),
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "KUBERNETES_SERVICE_HOST", "container"),
)
"""The variables of the environment that change what a training uses, or how foldwatch reads it."""


@app.command(name="debug-info")
def debug_info(
    pid: Annotated[
        int | None, typer.Option(min=1, help="The process to describe; this one by default.")
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="DIR",
            help="Also copy the files of /proc and of the cgroups that foldwatch reads to DIR,"
            " without names that identify the machine.",
        ),
    ] = None,
) -> None:
    """Print versions, kernel, cgroups, limits and environment for a bug report; secrets are masked."""
    print_output("\n".join(_lines(pid)))
    if record is None:
        return
    try:
        HostRecorder(pid or os.getpid(), record).record()
    except OSError as error:
        raise InputError(f"{error.filename or record}: {reason(error)}") from error
    print_output(clean_label(f"recorded in {record}"))


def _lines(pid: int | None) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"foldwatch {__version__}, Python {platform.python_version()} ({sys.executable})"
    yield f"{platform.platform()}, {'-'.join(platform.libc_ver())}"
    cores = len(os.sched_getaffinity(0))
    yield f"cores: {os.cpu_count()}, usable: {cores}; user {os.getuid()}"
    yield f"packages: {', '.join(_versions()) or 'none'}"
    applied = read_applied_limits(pid=pid)
    yield "cgroups:"
    yield from (
        f"  {clean_label(line)}" for line in _read(f"/proc/{pid or 'self'}/cgroup").splitlines()
    )
    yield "limits:"
    for limit in applied:
        is_bytes, most = LIMITS[limit.name].is_bytes, limit.usage.limit
        words = (
            most.value if isinstance(most, LimitState) else format_amount(most, is_bytes=is_bytes)
        )
        used = format_amount(limit.usage.current, is_bytes=is_bytes)
        place = clean_label(f"{limit.scope}, {limit.source}")
        yield f"  {limit.name}: {used} of {words}, {place}"
    yield "environment:"
    known = sorted(item for item in os.environ.items() if item[0].startswith(PREFIXES))
    yield from (
        f"  {clean_label(word)}" for word in masked([f"{name}={text}" for name, text in known])
    )


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        return f"{path}: {reason(error)}"
