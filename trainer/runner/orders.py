"""`Orders`: writes the orders of a run for its agents."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.agent.order import Order
from trainer.runner.gpus import PLACEHOLDER, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory
    from trainer.run.job import Job, RunOptions


@dataclass(frozen=True, slots=True)
class Orders:
    """What all orders of a run have in common."""

    directory: RunDirectory
    config: Config
    job: Job
    options: RunOptions

    def order(
        self, fold: int, *, need: Mapping[str, int], is_ahead: bool, gpus: tuple[str, ...]
    ) -> Order:
        """Return the order for ``fold``, or for a process that begins with it; it gets these GPUs, if any."""
        options, devices = self.options, ",".join(gpus)
        command = self.job.command(self.directory, fold)
        return Order(
            run_dir=self.directory.path,
            folds=self.config.folds,
            fold=fold if options.is_isolated else None,
            command=tuple(w.replace(PLACEHOLDER, devices) if gpus else w for w in command),
            config_digest=self.config.digest(),
            is_persistent=self.job.is_persistent,
            caps=self.job.caps,
            environment=({VARIABLE: devices} if gpus else {})
            | ({"FOLDWATCH_ATTRIBUTE": "1"} if options.attributes else {}),
            pattern=options.pattern,
            timeout_seconds=options.timeout_seconds,
            pids=options.limits.pids,
            memory_bytes=options.limits.memory_bytes,
            cgroup_name=f"foldwatch-{os.getpid()}-fold-{fold}-{time.monotonic_ns()}",
            need=need,
            is_ahead=is_ahead,
            lock=options.lock,
        )
