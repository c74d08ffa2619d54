"""The options that ``foldwatch train`` and ``foldwatch run`` share, and the choices of all commands here.

Owns their names, their help and the bounds of their values.
"""

from __future__ import annotations

import enum
from typing import Annotated, TypeAlias

import typer


class ResumeMode(enum.StrEnum):
    """What happens to folds that are finished."""

    fresh = "fresh"
    auto = "auto"


class DeviceMode(enum.StrEnum):
    """Which devices the strategy mirrors over."""

    cpu = "cpu"
    single = "single"
    multi = "multi"


class Isolation(enum.StrEnum):
    """How folds are spread over processes."""

    process = "process"
    none = "none"
    auto = "auto"


class ReproduceScenario(enum.StrEnum):
    """What ends the one process."""

    pids = "pids"
    maps = "maps"
    memory = "memory"
    incident = "incident"


Only: TypeAlias = Annotated[int | None, typer.Option("--fold", help="Run this fold only.")]
Resume: TypeAlias = Annotated[
    ResumeMode,
    typer.Option(
        "--resume-mode", "--resume_mode", help="auto skips finished folds; fresh runs all again."
    ),
]
Output: TypeAlias = Annotated[str, typer.Option(metavar="DIR", help="The run directory.")]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Serve /metrics and a page on 127.0.0.1 meanwhile."),
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0.001, metavar="SECONDS", help="End a fold that takes longer; it failed."),
]
Retries: TypeAlias = Annotated[int, typer.Option(min=0, help="Run a failed fold again, so often.")]
Parallel: TypeAlias = Annotated[int, typer.Option(min=1, help="So many folds at the same time.")]
StopOnFailure: TypeAlias = Annotated[
    bool, typer.Option("--stop-on-failure", help="Start no further fold after one has failed.")
]
CgroupPids: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="A cgroup for each fold: at most N processes and threads."
    ),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="A cgroup for each fold: at most so much memory, as 8G."),
]
