"""Records, judges and isolates training runs: the library behind the ``foldwatch`` command.

- Record a training: `start`, `checkpoint`, `fold`, `stage`, `event`, `settle`, `difference`.
- Judge a log, a journal or a run's directory: `analyze`, `read_journal`.
- Keep a training from growing: `cap_threads`, `bound`, `hold`.

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
    from telemetry import Difference, difference
    from trainer.run.thread_caps import cap_threads
    from trainer.worker.held_objects import hold
    from trainer.worker.input_pipeline import bound

__all__ = [
    "Analysis",
    "Difference",
    "__version__",
    "analyze",
    "bound",
    "cap_threads",
    "checkpoint",
    "difference",
    "event",
    "fold",
    "hold",
    "read_journal",
    "settle",
    "stage",
    "start",
]

_MODULE_OF = {
    "Analysis": "analyzer",
    "Difference": "telemetry",
    "analyze": "analyzer",
    "bound": "trainer.worker.input_pipeline",
    "cap_threads": "trainer.run.thread_caps",
    "difference": "telemetry",
    "hold": "trainer.worker.held_objects",
    "read_journal": "analyzer",
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
