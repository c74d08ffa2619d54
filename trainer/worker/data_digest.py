"""One hash of a run's data and split, so that results of different data are not averaged.

``python -m trainer.worker.data_digest MODEL FOLDS SEED PARENT`` prints it; the process ends with PARENT, the
process id of its parent. The hash covers the string that the model's module returns from a function
``data_digest() -> str``, or, without one, the source of the function's module; and the parameters of the
split. It does not load TensorFlow for the reference run.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import signal
import sys
from importlib.metadata import PackageNotFoundError, version

from trainer.process.supervisor import signal_at_end_of
from trainer.worker.model_loader import load_function, load_module

_PRINTED = re.compile(r"^data digest ([0-9a-f]{16})$", re.MULTILINE)


def data_digest(model: str, *, folds: int, seed: int) -> str:
    """Return the hash.

    Raises:
        InputError: There is no such model.
    """
    module = load_module(model)
    own = getattr(module, "data_digest", None)
    data = str(own()) if callable(own) else _source(model)
    # scikit-learn makes the split: another version may make another one of the same seed.
    parts = (data, str(folds), str(seed), _version("scikit-learn"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _source(model: str) -> str:
    """Return the source of the module that the function is written in; its name if there is no source."""
    written_in = sys.modules.get(getattr(load_function(model), "__module__", ""))
    try:
        return inspect.getsource(written_in) if written_in else model
    except (OSError, TypeError):  # a module of compiled code
        return model


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def printed_digest(output: str) -> str | None:
    """Return the hash in the output of such a process, whatever else the model's module prints."""
    digests = _PRINTED.findall(output)
    return str(digests[-1]) if digests else None


def main(model: str, folds: str, seed: str, parent: str) -> int:
    """Print the hash on a line of its own, at once: a hook at exit may print as well."""
    if signal_at_end_of(int(parent), signal.SIGKILL):
        digest = data_digest(model, folds=int(folds), seed=int(seed))
        print(f"\ndata digest {digest}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
