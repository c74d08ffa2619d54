"""Launches the process of a fold: its directory, its environment, its cgroup."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.run_layout import RunLayout, fold_name
from telemetry.masking import child_environment
from trainer.process.fold_cgroup import FoldCgroups
from trainer.process.fold_process import FoldProcess
from trainer.process.launcher import ProcessSpec
from trainer.process.supervisor import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.run.config import Config
    from trainer.run.directory import RunDirectory
    from trainer.run.job import Job, RunOptions


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
        self._has_reported = False

    def launch(self, fold: int) -> FoldProcess:
        """Launch a process for ``fold``, which it is not given yet.

        Its files are in ``fold-K/`` if each fold has a process of its own, else in the run's directory.

        Raises:
            OSError: The process cannot be started.
        """
        layout = self._directory.layout
        own_fold = fold if self._options.is_isolated else None
        if own_fold is not None:
            self._clear(own_fold)
            make_fold_folder(layout.fold_dir(own_fold))
        spec = ProcessSpec(
            command=self._job.command(self._directory, fold),
            environment=environment_for_fold(
                caps=self._job.caps,
                run_dir=self._directory.path,
                run=self._directory.name,
                fold=own_fold,
                folds=self._folds,
            ),
            output_path=layout.output(own_fold),
            is_persistent=self._job.is_persistent,
            cgroups=self._make_cgroups(fold),
            keep_open=() if self._options.lock is None else (self._options.lock,),
        )
        try:
            return FoldProcess(
                spec,
                folds=self._folds,
                reserved_for=own_fold,
                pattern=self._options.pattern,
            )
        except BaseException:  # there is no supervisor that would remove them
            remove(spec.cgroups)
            raise

    def close(self) -> None:
        """Leave the cgroups as they were found."""
        self._cgroups.close()

    def _clear(self, fold: int) -> None:
        """Move away what is in the fold's place already: another fold's links, metrics or readings would be taken for its own."""
        if moved_to := self._directory.set_aside([fold_name(fold)]):
            self._log(f"fold {fold}: files that were there before it began are in {moved_to}")

    def _make_cgroups(self, fold: int) -> list[str]:
        """Make the fold's cgroup; if that is not allowed the fold runs without, which is reported once."""
        if not self._options.limits:
            return []
        try:
            return self._cgroups.make(f"foldwatch-{os.getpid()}-fold-{fold}-{time.monotonic_ns()}")
        except OSError as error:
            if not self._has_reported:
                self._has_reported = True
                path = f"{error.filename}: " if error.filename else ""
                reason = f"{path}{error.strerror}"
                self._log(f"no cgroup for each fold, they run without its limits: {reason}")
            return []


def environment_for_fold(
    *, caps: Mapping[str, str], run_dir: str, run: str, fold: int | None, folds: int
) -> dict[str, str]:
    """Return the environment of a fold's process; ``fold`` is None if it runs several."""
    run_dir = os.path.abspath(run_dir)  # a script may change its folder first
    environment = dict(caps) | child_environment()
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
        environment["FOLDWATCH_METRICS"] = RunLayout(run_dir).metrics(fold)
    return environment
