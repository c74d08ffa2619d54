"""Records, judges and isolates training runs: the library behind the ``foldwatch`` command.

- Record a training: `start`, `checkpoint`, `fold`, `stage`, `event`, `settle`, `difference`.
- Judge a log, a journal or a run's directory: `analyze`, `read_journal`.
- Keep a training from growing: `cap_threads`, `bound`, `hold`, `isolated_trials`.
- Fit into frameworks and trackers: `callbacks`, `track`, `log_verdict`.

Importing it loads modules of the standard library only and starts no thread; everything else loads on first use.
No function here imports TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from foldwatch.own_packages import check_own

# The others once they are needed: a trainer.py beside the script may well be there.
check_own("telemetry")

from telemetry import checkpoint, event, fold, settle, stage, start  # noqa: E402 - a foreign one is not to run

if TYPE_CHECKING:
    from analyzer import Analysis, analyze, read_journal
    from foldwatch.tracking import log_verdict, track
    from foldwatch.trials import TrialDiedError, isolated_trials
    from telemetry import Difference, callbacks, difference
    from trainer.run.thread_caps import cap_threads
    from trainer.worker.held_objects import hold
    from trainer.worker.input_pipeline import bound

__all__ = [
    "Analysis",
    "Difference",
    "TrialDiedError",
    "__version__",
    "analyze",
    "bound",
    "callbacks",
    "cap_threads",
    "checkpoint",
    "difference",
    "event",
    "fold",
    "hold",
    "isolated_trials",
    "log_verdict",
    "read_journal",
    "settle",
    "stage",
    "start",
    "track",
]

_MODULE_OF = {
    "Analysis": "analyzer",
    "Difference": "telemetry",
    "TrialDiedError": "foldwatch.trials",
    "analyze": "analyzer",
    "bound": "trainer.worker.input_pipeline",
    "callbacks": "telemetry",
    "cap_threads": "trainer.run.thread_caps",
    "difference": "telemetry",
    "hold": "trainer.worker.held_objects",
    "isolated_trials": "foldwatch.trials",
    "log_verdict": "foldwatch.tracking",
    "read_journal": "analyzer",
    "track": "foldwatch.tracking",
}

_PACKAGES = ("analyzer", "trainer")

if TYPE_CHECKING:
    __version__: str
else:  # to a type checker, every name would exist, as Any

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("importlib.metadata").version("foldwatch")
        if name in _MODULE_OF:
            check_own(*_PACKAGES)
            return getattr(import_module(_MODULE_OF[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
