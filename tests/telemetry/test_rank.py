"""Which rank a process is, from what launchers put into its environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Header
from telemetry.rank import NO_RANK, Rank, rank_of
from telemetry.thread_line import parse_line
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path

CHIEF_AND_TWO = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


def tf_config(kind: str, index: object, cluster: object = CHIEF_AND_TWO) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


TORCHRUN = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}
SRUN = {
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
}
MPIRUN = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "PMIX_RANK": "1",
}


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        (TORCHRUN, Rank("3", 1, 4, "RANK")),
        (SRUN, Rank("2", 0, 4, "SLURM_PROCID")),
        (MPIRUN, Rank("1", 1, 2, "OMPI_COMM_WORLD_RANK")),
        (SRUN | TORCHRUN, Rank("3", 1, 4, "RANK")),
        (SRUN | MPIRUN, Rank("1", 1, 2, "OMPI_COMM_WORLD_RANK")),
        ({"PMI_RANK": "5", "PMI_SIZE": "8"}, Rank("5", None, 8, "PMI_RANK")),
        (
            {"JAX_PROCESS_ID": "1", "JAX_NUM_PROCESSES": "2"},
            Rank("1", None, 2, "JAX_PROCESS_ID"),
        ),
        ({"RANK": "0"}, Rank("0", None, None, "RANK")),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Rank("0", None, 1, "RANK")),
        (tf_config("chief", 0), Rank("0", None, 3, "TF_CONFIG")),
        (tf_config("worker", 1), Rank("2", None, 3, "TF_CONFIG")),
        (
            tf_config("worker", 1, {"worker": ["a:1", "b:1"]}),
            Rank("1", None, 2, "TF_CONFIG"),
        ),
        (tf_config("ps", 0), Rank("ps-0", None, None, "TF_CONFIG")),
    ],
)
def test_each_launcher_is_understood(environment: dict[str, str], rank: Rank) -> None:
    """What started the process last says which it is."""
    assert rank_of(environment) == rank


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"},
        SRUN | {"SLURM_STEP_NUM_TASKS": "1"},
        MPIRUN | {"OMPI_COMM_WORLD_SIZE": "1"},
        {"RANK": "the best"},
        {"RANK": "-1"},
        {"RANK": "1" * 30},
        {"RANK": "२"},
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[" * 100_000},
        {"TF_CONFIG": "[]"},
        tf_config("worker", "x"),
        tf_config("worker", 10**12),
        tf_config("worker", 0, {"worker": ["a:1"]}),
        tf_config("a\nb", 0),
        tf_config("worker", 0, ["a"]),
    ],
)
def test_what_is_no_rank_is_none(environment: dict[str, str]) -> None:
    """A batch script has a number in Slurm as well; a training of one process needs none."""
    assert rank_of(environment) == NO_RANK


PROGRAM = "import sys, telemetry; telemetry.start(run_dir=sys.argv[1]); telemetry.checkpoint('x')"


def test_line_and_journal_say_it(tmp_path: Path) -> None:
    """With local rank, number of ranks, and what said so; the line with the process."""
    outcome = run_python("-c", PROGRAM, str(tmp_path), environment=TORCHRUN)
    header, *_ = JournalFollower(str(tmp_path / "journal.jsonl")).finish()
    assert isinstance(header, Header)
    found = (header.rank, header.local_rank, header.world_size, header.rank_origin)
    assert found == ("3", 1, 4, "RANK")
    assert parse_line(outcome.out).extra == {"rank": "3", "pid": str(header.pid)}


@pytest.mark.parametrize("environment", [{"FOLDWATCH_LINE_RANK": "off"} | TORCHRUN, {}])
def test_a_line_without_it(environment: dict[str, str], tmp_path: Path) -> None:
    """Where it is turned off, and where no rank is known."""
    outcome = run_python("-c", PROGRAM, str(tmp_path), environment=environment)
    assert parse_line(outcome.out).extra == {}
