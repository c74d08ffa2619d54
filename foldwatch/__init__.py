"""Records, judges and isolates training runs: the library behind the ``foldwatch`` command.

Record a training with `start`, `checkpoint`, `fold`, `stage`, `event` and `difference`; judge a log,
a journal or a run directory with `analyze` and `read_journal`; keep a run from growing with
`cap_threads`, `bound` and `hold`. Importing it loads a little of the standard library and starts
nothing; the rest loads when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from telemetry import checkpoint, event, fold, stage, start

if TYPE_CHECKING:
    from analyzer import Analysis, analyze
    from telemetry import Difference, difference

__all__ = [
    "Analysis",
    "Difference",
    "__version__",
    "analyze",
    "checkpoint",
    "difference",
    "event",
    "fold",
    "stage",
    "start",
]

_MODULE_OF = {
    "Analysis": "analyzer",
    "Difference": "telemetry",
    "analyze": "analyzer",
    "difference": "telemetry",
}

if TYPE_CHECKING:
    __version__: str
else:  # to a type checker, any name would be there, and Any

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("importlib.metadata").version("foldwatch")
        if name in _MODULE_OF:
            return getattr(import_module(_MODULE_OF[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
