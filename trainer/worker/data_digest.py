"""What the data and the split of a run are, as one hash: results of different data are not averaged.

``python -m trainer.worker.data_digest MODEL FOLDS SEED PARENT`` prints it, and lives no longer than PARENT, its
parent's process id. Owns what goes into it: what the
model's module says of its data (a function ``data_digest() -> str`` beside the one that trains; where
it has none, the source of the function's module stands for it), and what decides the split. For the reference run it
takes no TensorFlow.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from importlib.metadata import PackageNotFoundError, version

from trainer.process.supervisor import die_with
from trainer.worker.model_loader import load_function, load_module

_PRINTED = re.compile(r"^data digest ([0-9a-f]{16})$", re.MULTILINE)


def data_digest(model: str, *, folds: int, seed: int) -> str:
    """Return the hash. Raises InputError where there is no such model."""
    module = load_module(model)
    own = getattr(module, "data_digest", None)
    data = str(own()) if callable(own) else _source(model)
    # scikit-learn makes the split: another version may make another one of the same seed.
    parts = (data, str(folds), str(seed), _version("scikit-learn"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _source(model: str) -> str:
    """Return the source of the module that the function is written in; its name where there is none."""
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
    """Return the hash in what such a process printed; whatever the model's module prints besides."""
    found = _PRINTED.findall(output)
    return str(found[-1]) if found else None


def main(model: str, folds: str, seed: str, parent: str) -> int:
    """Print the hash on a line of its own, at once: a hook at exit may print as well."""
    if die_with(int(parent)):
        digest = data_digest(model, folds=int(folds), seed=int(seed))
        print(f"\ndata digest {digest}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
