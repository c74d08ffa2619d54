"""``foldwatch reproduce``: the crash in miniature, the alert before it, and the same folds isolated.

Owns the scenarios, the limits that they run under and the order of the two runs. Limits are those of
a real cgroup; where none can be made, what an ordinary user can set (man 2 setrlimit). It must not
know how a fold leaks, nor how the outcome is shown.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.pipeline import analyze
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
"""Of a limit that is leaked against: a map costs the kernel and Python 340 bytes (measured, 6.18)."""
USER_TASKS = 1000
"""What RLIMIT_NPROC leaves beside the tasks that the user has already."""
ADDRESS_SPACE_BYTES = 16 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to die."""

    leaks: str
    """What each fold leaves behind, in words."""
    ceilings: tuple[str, ...]
    """The ceiling that is met: in a cgroup, and where none can be made."""
    limits: CgroupLimits
    needs_limits: bool = True
    """Whether it dies of them; else they are there as in the incident, and not met."""


SCENARIOS: Mapping[str, Scenario] = {
    "pids": Scenario(
        leaks="iterators with the threads of their input pipelines",
        ceilings=("pids_cgroup", "nproc"),
        limits=CgroupLimits(pids=2000),
    ),
    "maps": Scenario(
        leaks="memory maps",
        ceilings=("max_map_count",),
        limits=CgroupLimits(pids=7680),
        needs_limits=False,
    ),
    "memory": Scenario(
        leaks="memory",
        ceilings=("cgroup_memory", "address_space"),
        limits=CgroupLimits(memory_bytes=2 * 2**30),
    ),
    "incident": Scenario(
        leaks="memory maps and memory, and not one thread",
        ceilings=("max_map_count",),
        limits=CgroupLimits(pids=7680),
        needs_limits=False,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """What limits the runs: a cgroup for each process, or options of ``prlimit``."""

    ceiling: str
    words: str
    limits: CgroupLimits = field(default_factory=CgroupLimits)
    prlimit: tuple[str, ...] = ()

    def job(self) -> Job:
        """Return what trains under it."""

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
    """As each began."""
    exit_code: int | None
    """Of the one process, 128 + N for signal N."""
    finished: tuple[int, ...]
    """Folds of the isolated run."""
    seconds: float


def run_twice(name: str, place: str, observer: RunObserver) -> Reproduced:
    """Run ``name`` of SCENARIOS twice below the folder ``place``.

    Raises InputError where no limit can be set, and KeyboardInterrupt. Whatever it raises, no process
    and no cgroup of it is left, and no file elsewhere.
    """
    with _temporary_files():
        return _run_twice(name, place, observer)


@contextlib.contextmanager
def _temporary_files() -> Iterator[None]:
    """Give the workers a place for theirs that goes with them: TensorFlow's stay where it aborts."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="foldwatch-", ignore_cleanup_errors=True) as place:
        os.environ["TMPDIR"] = place
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def _run_twice(name: str, place: str, observer: RunObserver) -> Reproduced:
    began = time.monotonic()
    install_signal_handlers()
    first, second = (RunDirectory(os.path.join(place, run)) for run in RUNS)
    enforcement = enforce(SCENARIOS[name], log=observer.on_message)
    observer.on_message(
        f"{name}: each fold leaves {SCENARIOS[name].leaks} behind, {enforcement.words}"
    )
    config = RunConfig(folds=FOLDS, epochs=1, device_mode="cpu", model=f"{LEAKS}:{name}")
    told: list[Alert] = []
    lines = ConsoleSink(observer.on_message)

    def tell(alert: Alert) -> None:
        if alert.ended is None:
            told.append(alert)
            lines.send(alert)

    one_process = _run(first, config, "none", enforcement, observer, AlertEngine(tell))
    isolated = _run(second, config, "process", enforcement, observer, AlertEngine())
    return Reproduced(
        scenario=name,
        enforcement=enforcement,
        one_process=analyze([first.path]),
        isolated=analyze([second.path]),
        alerts=tuple(told),
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
            options=RunOptions(isolation=isolation, limits=enforcement.limits, lock=lock),
            observer=observer,
            state=watched_state(directory, config, alerts=alerts, observer=observer),
        )
        runner.run()
    alerts.close(time.time())
    return runner


def enforce(scenario: Scenario, *, log: Callable[[str], None], root: str = "/") -> Enforcement:
    """Find out what limits can be set here. Raises InputError where none can and one is needed."""
    if scenario.ceilings == ("max_map_count",):
        _check_maps(root)
    cgroups = FoldCgroups(scenario.limits, root=root)
    try:
        made = cgroups.make(f"foldwatch-{os.getpid()}-probe")
        for folder in made:
            os.rmdir(folder)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _without_cgroup(scenario, f"{where}{error.strerror}", log)
    finally:
        cgroups.close()
    return Enforcement(
        ceiling=scenario.ceilings[0],
        words=f"in a cgroup for each process, {_words(scenario.limits)}",
        limits=scenario.limits,
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
            f" {limit * 340 >> 30:,} GB; `foldwatch reproduce memory` dies of memory"
        )


def _words(limits: CgroupLimits) -> str:
    size = limits.memory_bytes
    return f"pids.max {limits.pids:,}" if size is None else f"memory {size >> 20:,} MB"


def _without_cgroup(scenario: Scenario, why: str, log: Callable[[str], None]) -> Enforcement:
    if not scenario.needs_limits:
        return Enforcement(
            ceiling=scenario.ceilings[0], words="without a cgroup, which it does not need"
        )
    log(f"no cgroup can be made here: {why}; a limit of the user's own instead")
    if scenario.ceilings[-1] == "address_space":
        return Enforcement(
            ceiling="address_space",
            words=f"under RLIMIT_AS {ADDRESS_SPACE_BYTES >> 20:,} MB",
            prlimit=(f"--as={ADDRESS_SPACE_BYTES}",),
        )
    reader = Reader()
    try:
        reading = reader.read(in_full=True)
    finally:
        reader.close()
    if reading.is_exempt_from_nproc or reading.user_tasks is None:
        raise InputError(
            f"no cgroup can be made here ({why}), and RLIMIT_NPROC does not bind root;"
            " run it as an ordinary user, or where cgroups can be written"
        )
    tasks = reading.user_tasks + USER_TASKS
    return Enforcement(
        ceiling="nproc", words=f"under RLIMIT_NPROC {tasks:,}", prlimit=(f"--nproc={tasks}",)
    )
