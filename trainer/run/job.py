"""`Job`, the program that runs a fold, and `RunOptions`, how folds are run."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from trainer.run.cgroup_limits import CgroupLimits
from trainer.run.thread_caps import THREAD_CAPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trainer.run.config import RunConfig
    from trainer.run.directory import RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The program that runs a fold."""

    command: Callable[[RunDirectory, int], Sequence[str]]
    is_persistent: bool = False
    """Whether it trains each fold named on its standard input, and writes the results itself.

    Otherwise it runs the one fold that it was started for, and exit code 0 means success: its result then holds the
    numbers in its metrics.json.
    """
    caps: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for its processes, where they are not set already."""


def worker_command(directory: RunDirectory, _fold: int) -> list[str]:
    """Return the command that trains folds of a `RunConfig`."""
    # -P: a package of the user's own called trainer, in the current folder, is not ours.
    return [sys.executable, "-P", "-m", "trainer.worker", directory.path]


TRAINING = Job(command=worker_command, is_persistent=True, caps=THREAD_CAPS)


def training_job(config: RunConfig) -> Job:
    """Return the job that trains folds of ``config``."""
    return replace(TRAINING, caps={}) if "caps" in config.without else TRAINING


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How folds are run; results do not depend on it."""

    isolation: str = "process"
    """process: one per fold. none: one for all. auto: one for as long as the forecast allows."""
    parallel: int = 1
    gpus: int | None = None
    """GPUs of each fold; None to leave the devices as they are."""
    retries: int = 0
    timeout_seconds: float | None = None
    stops_on_failure: bool = False
    limits: CgroupLimits = field(default_factory=CgroupLimits)
    pattern: str | None = None
    """The regular expression of ``--checkpoint-pattern``."""
    attributes: bool = False
    """Whether the folds' processes look which of their code is at work when something grows."""
    shows_output: bool = False
    lock: int | None = None
    """A descriptor that is held until the last process is gone."""

    @property
    def is_isolated(self) -> bool:
        """Whether each fold has a process of its own."""
        return self.isolation == "process"

    @property
    def poll_seconds(self) -> float:
        """The time between two looks at a process: short if its output is shown."""
        return 0.05 if self.shows_output else 1.0
