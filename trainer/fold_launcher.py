"""From a fold to a launched process for it: its place, its environment, its cgroup.

Owns where a process's files are: in ``fold-K/`` where each fold has a process of its own, else in the
run directory. It must not know when one is launched.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from trainer.fold_cgroup import FoldCgroups
from trainer.fold_process import FoldProcess
from trainer.launch import Launch, environment_for_fold
from trainer.supervisor import remove

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.folds import Config, RunDirectory
    from trainer.work import RunOptions, Work

OUTPUT = "output.log"


class FoldLauncher:
    """Launches the processes of one run."""

    def __init__(
        self,
        directory: RunDirectory,
        config: Config,
        work: Work,
        options: RunOptions,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._folds = config.folds
        self._work = work
        self._options = options
        self._say = say
        self._cgroups = FoldCgroups(options.limits)
        self._has_said = False

    def launch(self, fold: int) -> FoldProcess:
        """Launch a process for ``fold``, which is not given to it yet. Raises OSError."""
        is_isolated = self._options.is_isolated
        place = self._directory.fold(fold) if is_isolated else self._directory.path
        os.makedirs(place, exist_ok=True)
        launch = Launch(
            command=self._work.command(self._directory, fold),
            environment=environment_for_fold(
                caps=self._work.caps,
                run_dir=self._directory.path,
                run=self._directory.name,
                fold=fold if is_isolated else None,
                folds=self._folds,
            ),
            output_path=os.path.join(place, OUTPUT),
            takes_orders=self._work.takes_orders,
            cgroups=self._make_cgroups(fold),
            keep_open=() if self._options.lock is None else (self._options.lock,),
        )
        try:
            return FoldProcess(
                launch,
                folds=self._folds,
                reserved_for=fold if is_isolated else None,
                pattern=self._options.pattern,
            )
        except BaseException:  # there is no supervisor that would remove them
            remove(launch.cgroups)
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
                self._say(f"{words}: {where}{error.strerror}")
            return []
