"""Launches the process of an order: its directory, its environment, its cgroup."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.run_layout import RunLayout, fold_name
from telemetry.masking import child_environment
from trainer.agent.named_maps import VARIABLE, with_named_maps
from trainer.process.fold_process import FoldProcess
from trainer.process.launcher import ProcessSpec
from trainer.process.supervisor import remove
from trainer.run.checkpoint_pattern import CheckpointPattern
from trainer.run.directory import RunDirectory
from trainer.run.worker_protocol import metrics_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.agent.order import Order
    from trainer.process.fold_cgroup import FoldCgroups


def launch(
    order: Order, *, token: str, cgroups: FoldCgroups, log: Callable[[str], None]
) -> FoldProcess:
    """Launch the process, which waits for its fold.

    Its files are in ``fold-K/`` if it is for one fold, else in the run's directory. What is there already is moved
    away: another fold's links, metrics or readings would be taken for its own.

    Raises:
        OSError: The process cannot be started.
    """
    directory, environment = RunDirectory(order.run_dir), environment_of(order, token=token)
    program = order.command[0]
    if shutil.which(program, path=environment.get("PATH", os.defpath)) is None:
        raise FileNotFoundError(errno.ENOENT, "no such program, or it may not be executed", program)
    if order.fold is not None:
        if moved_to := directory.set_aside([fold_name(order.fold)]):
            log(f"fold {order.fold}: files that were there before it began are in {moved_to}")
        make_fold_folder(directory.fold(order.fold))
    spec = ProcessSpec(
        command=order.command,
        environment=environment,
        output_path=directory.layout.output(order.fold),
        is_persistent=order.is_persistent,
        cgroups=_make_cgroups(order, cgroups, log),
        keep_open=() if order.lock is None else (order.lock,),
    )
    try:
        return FoldProcess(
            spec,
            folds=order.folds,
            pattern=CheckpointPattern(order.pattern) if order.pattern else None,
        )
    except BaseException:  # there is no supervisor that would remove them
        remove(spec.cgroups)
        raise


def _make_cgroups(order: Order, cgroups: FoldCgroups, log: Callable[[str], None]) -> list[str]:
    """Make the process's cgroup; if that is not allowed it runs without, which is said."""
    if not order.limits:
        return []
    try:
        return cgroups.make(order.cgroup_name)
    except OSError as error:
        # Not the name of this very cgroup: it is said once for all folds.
        path = (
            f"{str(error.filename).removesuffix(order.cgroup_name).rstrip('/')}: "
            if error.filename
            else ""
        )
        log(f"no cgroup for each fold, they run without its limits: {path}{error.strerror}")
        return []


def environment_of(order: Order, *, token: str) -> dict[str, str]:
    """Return the environment of the process; without a fold of its own it runs several."""
    environment = dict(order.caps) | child_environment() | dict(order.environment)
    environment |= {
        "FOLDWATCH_RUN_DIR": order.run_dir,
        "FOLDWATCH_RUN": RunLayout(order.run_dir).name,
        "FOLDWATCH_AGENT": str(os.getpid()),
        "FOLDWATCH_FOLDS": str(order.folds),
        "FOLDWATCH_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("FOLDWATCH_FOLD", None)
    if (tunables := with_named_maps(environment.get(VARIABLE))) is not None:
        environment[VARIABLE] = tunables
    if order.fold is not None:
        fold_dir = RunLayout(order.run_dir).fold_dir(order.fold)
        environment["FOLDWATCH_FOLD"] = str(order.fold)
        environment["FOLDWATCH_METRICS"] = os.path.join(fold_dir, metrics_name(token))
    return environment
