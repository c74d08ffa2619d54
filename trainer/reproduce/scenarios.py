"""``foldwatch reproduce``: a crash in miniature, the alert before it, and the same folds isolated.

The limits are those of a real cgroup; if none can be made, those that an ordinary user can set (man 2
setrlimit).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.pipeline import analyze
from telemetry.alerts.alert import FAILURES
from telemetry.alerts.engine import AlertEngine
from telemetry.alerts.sinks import ConsoleSink
from telemetry.errors import InputError
from telemetry.kernel.reader import Reader
from trainer.process.fold_cgroup import FoldCgroups
from trainer.run.cgroup_limits import CgroupLimits
from trainer.run.config import RunConfig
from trainer.run.directory import RunDirectory
from trainer.run.job import TRAINING, Job, RunOptions, worker_command
from trainer.run.resume_plan import plan
from trainer.runner.fold_runner import FoldRunner
from trainer.runner.session import install_signal_handlers, watched_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from analyzer.result import AnalysisResult
    from telemetry.alerts.alert import Alert
    from trainer.runner.observer import RunObserver

FOLDS = 3
LEAKS = "trainer.reproduce.leaks"
"""The module with a model for each scenario."""
RUNS = ONE_PROCESS, ISOLATED = "one-process", "isolated"
"""Folders of the two runs."""
MOST_MAPS = 2**21
"""The highest limit to leak up to: a map costs the kernel and Python 340 bytes (measured, 6.18)."""
USER_TASKS = 1000
"""The tasks that RLIMIT_NPROC allows besides those that the user has already."""
ADDRESS_SPACE_BYTES = 16 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to crash."""

    leaks: str
    """The objects that each fold leaves behind, as a phrase."""
    limits: tuple[str, ...]
    """The limit that is reached: in a cgroup, and if none can be made."""
    cgroup_limits: CgroupLimits
    needs_cgroup_limits: bool = True
    """Whether these are reached; else they are set as in the incident, but not reached."""


SCENARIOS: Mapping[str, Scenario] = {
    "pids": Scenario(
        leaks="iterators with the threads of their input pipelines",
        limits=("pids_cgroup", "nproc"),
        cgroup_limits=CgroupLimits(pids=2000),
    ),
    "maps": Scenario(
        leaks="memory maps",
        limits=("max_map_count",),
        cgroup_limits=CgroupLimits(pids=7680),
        needs_cgroup_limits=False,
    ),
    "memory": Scenario(
        leaks="memory",
        limits=("cgroup_memory", "address_space"),
        cgroup_limits=CgroupLimits(memory_bytes=2 * 2**30),
    ),
    "incident": Scenario(
        leaks="memory maps and memory, and not one thread",
        limits=("max_map_count",),
        cgroup_limits=CgroupLimits(pids=7680),
        needs_cgroup_limits=False,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """How the runs are limited: a cgroup for each process, or options of ``prlimit``."""

    limit: str
    """The name of the limit that is reached."""
    description: str
    cgroup_limits: CgroupLimits = field(default_factory=CgroupLimits)
    prlimit: tuple[str, ...] = ()

    def job(self) -> Job:
        """Return the job that trains under it."""

        def limited(directory: RunDirectory, fold: int) -> Sequence[str]:
            return ["prlimit", *self.prlimit, *worker_command(directory, fold)]

        command = limited if self.prlimit else worker_command
        return Job(command=command, is_persistent=TRAINING.is_persistent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """Both runs, analysed, and the alerts of the first."""

    scenario: str
    enforcement: Enforcement
    one_process: AnalysisResult
    isolated: AnalysisResult
    alerts: tuple[Alert, ...]
    """Each as it began."""
    exit_code: int | None
    """Of the one process, 128 + N for signal N."""
    finished: tuple[int, ...]
    """Folds of the isolated run."""
    seconds: float


def run_twice(name: str, path: str, observer: RunObserver) -> Reproduced:
    """Run the scenario ``name`` twice: in one process, and isolated.

    It leaves no process, no cgroup and no file outside ``path``, even if it raises.

    Args:
        name: A key of SCENARIOS.
        path: The directory for both runs.
        observer: Receives the events of both.

    Raises:
        InputError: No limit can be set.
        KeyboardInterrupt: The run was interrupted.
    """
    with _temporary_files():
        return _run_twice(name, path, observer)


@contextlib.contextmanager
def _temporary_files() -> Iterator[None]:
    """Give the workers a temporary directory: TensorFlow leaves its files behind when it aborts."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="foldwatch-", ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def _run_twice(name: str, path: str, observer: RunObserver) -> Reproduced:
    began = time.monotonic()
    install_signal_handlers()
    first, second = (RunDirectory(os.path.join(path, run)) for run in RUNS)
    enforcement = enforce(SCENARIOS[name], log=observer.on_message)
    observer.on_message(
        f"{name}: each fold leaves {SCENARIOS[name].leaks} behind, {enforcement.description}"
    )
    config = RunConfig(folds=FOLDS, epochs=1, device_mode="cpu", model=f"{LEAKS}:{name}")
    alerts: list[Alert] = []
    console = ConsoleSink(observer.on_message)

    def notify(alert: Alert) -> None:
        is_new = alert.ended is None and alert.is_watched and not alert.is_held
        if is_new and alert.name not in FAILURES:  # that it crashes is what it is run for
            alerts.append(alert)
            console.send(alert)

    one_process = _run(first, config, "none", enforcement, observer, AlertEngine(notify))
    isolated = _run(second, config, "process", enforcement, observer, AlertEngine())
    return Reproduced(
        scenario=name,
        enforcement=enforcement,
        one_process=analyze([first.path]),
        isolated=analyze([second.path]),
        alerts=tuple(alerts),
        exit_code=next((failure.exit_code for failure in one_process.failures.values()), None),
        finished=tuple(result.fold for result in isolated.summary().results),
        seconds=time.monotonic() - began,
    )


def _run(  # noqa: PLR0913, PLR0917 - what to run, how, and who watches
    directory: RunDirectory,
    config: RunConfig,
    isolation: str,
    enforcement: Enforcement,
    observer: RunObserver,
    alerts: AlertEngine,
) -> FoldRunner:
    observer.on_message(f"{directory.name}: {FOLDS} folds")
    directory.create()
    with directory.locked() as lock:
        runner = FoldRunner(
            directory,
            config,
            plan(directory, config, only=None, resume_mode="fresh"),
            job=enforcement.job(),
            options=RunOptions(
                isolation=isolation, limits=enforcement.cgroup_limits, lock=lock.descriptor
            ),
            observer=observer,
            state=watched_state(directory, config, alerts=alerts, observer=observer),
        )
        runner.run()
    alerts.close(time.time())
    return runner


def enforce(scenario: Scenario, *, log: Callable[[str], None], root: str = "/") -> Enforcement:
    """Find out which limits can be set here.

    Raises:
        InputError: None can be set and the scenario needs one.
    """
    if scenario.limits == ("max_map_count",):
        _check_maps(root)
    cgroups = FoldCgroups(scenario.cgroup_limits, root=root)
    try:
        made = cgroups.make(f"foldwatch-{os.getpid()}-probe")
        for folder in made:
            os.rmdir(folder)
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        return _without_cgroup(scenario, f"{path}{error.strerror}", log)
    finally:
        cgroups.close()
    return Enforcement(
        limit=scenario.limits[0],
        description=f"in a cgroup for each process, {_described(scenario.cgroup_limits)}",
        cgroup_limits=scenario.cgroup_limits,
    )


def _check_maps(root: str) -> None:
    reader = Reader(root=root)
    try:
        limit = reader.read(in_full=True).usage("max_map_count").limit
    finally:
        reader.close()
    if isinstance(limit, int) and limit > MOST_MAPS:
        raise InputError(
            f"vm.max_map_count is {limit:,} here, too many to leak: it would take"
            f" {limit * 340 >> 30:,} GB; use `foldwatch reproduce memory`"
        )


def _described(limits: CgroupLimits) -> str:
    size = limits.memory_bytes
    return f"pids.max {limits.pids:,}" if size is None else f"memory {size >> 20:,} MB"


def _without_cgroup(scenario: Scenario, reason: str, log: Callable[[str], None]) -> Enforcement:
    if not scenario.needs_cgroup_limits:
        return Enforcement(
            limit=scenario.limits[0], description="without a cgroup, which it does not need"
        )
    log(f"no cgroup can be made here: {reason}; using a limit of the user instead")
    if scenario.limits[-1] == "address_space":
        return Enforcement(
            limit="address_space",
            description=f"under RLIMIT_AS {ADDRESS_SPACE_BYTES >> 20:,} MB",
            prlimit=(f"--as={ADDRESS_SPACE_BYTES}",),
        )
    reader = Reader()
    try:
        reading = reader.read(in_full=True)
    finally:
        reader.close()
    if reading.is_exempt_from_nproc or reading.user_tasks is None:
        raise InputError(
            f"no cgroup can be made here ({reason}), and RLIMIT_NPROC does not bind root;"
            " run it as an ordinary user, or with write access to cgroups"
        )
    tasks = reading.user_tasks + USER_TASKS
    return Enforcement(
        limit="nproc", description=f"under RLIMIT_NPROC {tasks:,}", prlimit=(f"--nproc={tasks}",)
    )
