"""From a fold to a launched process for it: its place, its environment, its cgroup.

Owns where a process's files are: in ``fold-K/`` where each fold has a process of its own, else in the
run directory. It must not know when one is launched.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from trainer.process.fold_cgroup import FoldCgroups
from trainer.process.fold_process import FoldProcess
from trainer.process.launcher import ProcessSpec
from trainer.process.supervisor import remove
from trainer.run.fold_result import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory
    from trainer.run.job import Job, RunOptions

OUTPUT = "output.log"


class FoldLauncher:
    """Launches the processes of one run."""

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        job: Job,
        options: RunOptions,
        *,
        log: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._folds = config.folds
        self._job = job
        self._options = options
        self._log = log
        self._cgroups = FoldCgroups(options.limits)
        self._has_said = False

    def launch(self, fold: int) -> FoldProcess:
        """Launch a process for ``fold``, which is not given to it yet. Raises OSError."""
        is_isolated = self._options.is_isolated
        fold_dir = self._directory.fold(fold) if is_isolated else self._directory.path
        os.makedirs(fold_dir, exist_ok=True)
        spec = ProcessSpec(
            command=self._job.command(self._directory, fold),
            environment=environment_for_fold(
                caps=self._job.caps,
                run_dir=self._directory.path,
                run=self._directory.name,
                fold=fold if is_isolated else None,
                folds=self._folds,
            ),
            output_path=os.path.join(fold_dir, OUTPUT),
            is_persistent=self._job.is_persistent,
            cgroups=self._make_cgroups(fold),
            keep_open=() if self._options.lock is None else (self._options.lock,),
        )
        try:
            return FoldProcess(
                spec,
                folds=self._folds,
                reserved_for=fold if is_isolated else None,
                pattern=self._options.pattern,
            )
        except BaseException:  # there is no supervisor that would remove them
            remove(spec.cgroups)
            raise

    def close(self) -> None:
        """Leave the cgroups as they were found."""
        self._cgroups.close()

    def _make_cgroups(self, fold: int) -> list[str]:
        """Make the fold's cgroup; where that is not allowed it runs without, and that is told once."""
        if not self._options.limits:
            return []
        try:
            return self._cgroups.make(f"foldwatch-{os.getpid()}-fold-{fold}-{time.monotonic_ns()}")
        except OSError as error:
            if not self._has_said:
                self._has_said = True
                where = f"{error.filename}: " if error.filename else ""
                words = "no cgroup for each fold, they run without its limits"
                self._log(f"{words}: {where}{error.strerror}")
            return []


def environment_for_fold(
    *, caps: Mapping[str, str], run_dir: str, run: str, fold: int | None, folds: int
) -> dict[str, str]:
    """Return the environment of a fold's process; ``fold`` is None where it runs several."""
    run_dir = os.path.abspath(run_dir)  # a script may change its folder first
    environment = dict(caps) | os.environ
    environment |= {
        "FOLDWATCH_RUN_DIR": run_dir,
        "FOLDWATCH_RUN": run,
        "FOLDWATCH_FOLDS": str(folds),
        "FOLDWATCH_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("FOLDWATCH_FOLD", None)
    if fold is not None:
        environment["FOLDWATCH_FOLD"] = str(fold)
        environment["FOLDWATCH_METRICS"] = os.path.join(run_dir, f"fold-{fold}", METRICS)
    return environment
