"""`Rank`: which of the processes of a distributed training this one is, as its launcher says."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from telemetry.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TF_CONFIG = 2**20


class Rank(NamedTuple):
    """A process among those of one training."""

    number: str
    """Its global rank, or of a task of TensorFlow's that has none ``ps-0``; empty if no launcher says so."""
    local: int | None = None
    """Its rank on its host."""
    world_size: int | None = None
    """How many there are."""
    origin: str = ""
    """The environment variable that says so."""


NO_RANK = Rank("")

# By variable: those of the rank on the host and of the number of ranks. What started a process last comes first:
# torchrun below srun, mpirun below srun. Slurm's are asked last, for whatever srun starts has them.
_LAUNCHERS = (
    ("RANK", "LOCAL_RANK", "WORLD_SIZE"),  # torchrun, DeepSpeed, accelerate, PyTorchJob
    ("HOROVOD_RANK", "HOROVOD_LOCAL_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_SIZE"),
    ("PMI_RANK", "MPI_LOCALRANKID", "PMI_SIZE"),  # MPICH, Intel MPI
    ("JAX_PROCESS_ID", "JAX_LOCAL_PROCESS_ID", "JAX_NUM_PROCESSES"),
)
_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")


def rank_of(environment: Mapping[str, str]) -> Rank:
    """Return the rank that the launcher put into an environment.

    A training of one process has none, but for RANK, which was asked for by whoever set it.

    Args:
        environment: Of the process; whatever is no number in it says nothing.
    """
    for names in _LAUNCHERS:
        found = _read(environment, names)
        if found is not None and (names[0] == "RANK" or found.world_size != 1):
            return found
    tasks = _of_tensorflow(environment.get("TF_CONFIG", ""))
    # A batch script has SLURM_PROCID as well, and is none of its job's tasks.
    slurm = _read(environment, _SLURM) if "SLURM_STEP_ID" in environment else None
    if slurm is not None and (slurm.world_size or 0) < 2:
        slurm = None
    return tasks or slurm or NO_RANK


def own_rank() -> Rank:
    """Return the rank of this very process."""
    return rank_of(os.environ)


def _read(environment: Mapping[str, str], names: tuple[str, str, str]) -> Rank | None:
    number, local, size = (_whole(environment.get(name)) for name in names)
    return None if number is None else Rank(str(number), local, size, names[0])


def _whole(text: object) -> int | None:
    if isinstance(text, str) and len(text) < 10 and text.isascii() and text.isdigit():
        return int(text)
    return None


def _of_tensorflow(config: str) -> Rank | None:
    """Return the rank that TF_CONFIG gives: the chief's is 0, and the workers' follow it, as MultiWorkerMirroredStrategy counts."""
    if not 0 < len(config) < LONGEST_TF_CONFIG:
        return None
    try:
        content = json.loads(config)
        cluster, task = content["cluster"], content["task"]
        kind, index = str(task["type"]), int(task["index"])
        sizes = {str(name): len(hosts) for name, hosts in cluster.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        pass_on(error)
        return None
    chiefs = sizes.get("chief", 0) + sizes.get("master", 0)
    workers = chiefs + sizes.get("worker", 0)
    if sum(sizes.values()) < 2 or not 0 <= index < 10**9 or not kind.isidentifier():
        return None
    if kind in {"chief", "master", "worker"}:
        return Rank(str(index + (chiefs if kind == "worker" else 0)), None, workers, "TF_CONFIG")
    return Rank(f"{kind[:20]}-{index}", None, None, "TF_CONFIG")
