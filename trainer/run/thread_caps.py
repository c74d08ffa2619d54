"""Thread caps: environment variables that bound the thread pools of NumPy, TensorFlow, PyTorch and others.

A pool is sized when its library loads, and never again, so a cap must be set first. A cap that comes too late
is reported with the libraries that were loaded already.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import TYPE_CHECKING

from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, MutableMapping

_CORES = len(os.sched_getaffinity(0))
THREAD_CAPS: Mapping[str, str] = {
    "OMP_NUM_THREADS": str(min(2, _CORES)),
    "TF_NUM_INTEROP_THREADS": str(min(2, _CORES)),
    "TF_NUM_INTRAOP_THREADS": str(min(4, _CORES)),
}
"""The caps that ended the incident's thread growth, as defaults: a variable that is set already stays.

Without them a pool has a thread per core; on fewer cores than a cap's value the cap must not raise it.
"""
MOST_THREADS = 65_536
_OPENMP = ("OMP_NUM_THREADS",)
READ_AT_IMPORT: Mapping[str, tuple[str, ...]] = {
    "tensorflow": tuple(THREAD_CAPS),
    "torch": _OPENMP,
    "numpy": _OPENMP,  # OpenBLAS and MKL read it, unless they find their own variable
    "scipy": _OPENMP,
    "scipy_openblas64": _OPENMP,
    "sklearn": _OPENMP,
    "numexpr": _OPENMP,
}
"""By module, the caps that its thread pools read while it loads."""


def set_caps(
    environment: MutableMapping[str, str], *, loaded: Container[str] = sys.modules
) -> tuple[str, ...]:
    """Set each cap that is not set yet; return the loaded libraries that it came too late for."""
    missing = [name for name in THREAD_CAPS if name not in environment]
    environment.update({name: THREAD_CAPS[name] for name in missing})
    return tuple(
        module
        for module, names in READ_AT_IMPORT.items()
        if module in loaded and not set(missing).isdisjoint(names)
    )


def caps_for(order: str, *, parallel: int) -> Mapping[str, str]:
    """Return the caps of ``--caps``: a number of threads, or auto, the cores that each of the parallel folds has.

    Raises InputError.
    """
    if order == "auto":
        threads = max(1, _CORES // parallel)
    elif re.fullmatch(r"[0-9]{1,5}", order) and 0 < int(order) <= MOST_THREADS:
        threads = int(order)
    else:
        raise InputError(f"--caps {order}: a number of threads from 1 to {MOST_THREADS:,}, or auto")
    return dict.fromkeys(THREAD_CAPS, str(threads))


def described(caps: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return a line that says which caps are set for a process, and which it has already."""
    new = ", ".join(f"{name}={value}" for name, value in caps.items() if name not in environment)
    kept = ", ".join(f"{name}={environment[name]}" for name in caps if name in environment)
    return "thread caps: " + "; ".join(
        [new] * bool(new) + [f"as you have set them: {kept}"] * bool(kept)
    )


def cap_threads() -> tuple[str, ...]:
    """Cap the thread pools of libraries that are imported from now on.

    Sets ``OMP_NUM_THREADS`` and ``TF_NUM_INTEROP_THREADS`` to 2 and ``TF_NUM_INTRAOP_THREADS`` to 4, or to the
    number of cores if that is less. A variable that is set already keeps its value. Call it before the first
    import of NumPy, TensorFlow or PyTorch.

    Returns:
        The modules that were imported before and read a cap that was not set then, so their pools keep their
        size; a RuntimeWarning names them, too. Empty if every cap is in effect.
    """
    late = set_caps(os.environ)
    if late:
        warnings.warn(
            f"thread caps come too late for {', '.join(late)}, imported before;"
            " call foldwatch.cap_threads() first",
            RuntimeWarning,
            stacklevel=2,
        )
    return late
