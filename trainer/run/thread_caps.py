"""Thread caps, set before the libraries that read them are loaded.

Owns the variables and their defaults. A pool is sized when its library loads and never again, so a
cap that comes later does nothing: that is an error here, not a silence.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from telemetry.errors import FoldwatchError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, MutableMapping

_CORES = len(os.sched_getaffinity(0))
THREAD_CAPS: Mapping[str, str] = {
    "OMP_NUM_THREADS": str(min(2, _CORES)),
    "TF_NUM_INTEROP_THREADS": str(min(2, _CORES)),
    "TF_NUM_INTRAOP_THREADS": str(min(4, _CORES)),
}
"""What ended the incident's thread growth, as defaults: a variable that is set already stays.

Without them a pool has a thread per core; on fewer cores than that a cap must not raise it.
"""

READS_CAPS_AT_IMPORT = ("tensorflow", "numpy", "sklearn")


def cap_threads(
    environment: MutableMapping[str, str], *, loaded: Container[str] = sys.modules
) -> None:
    """Set each cap that the user has not set. Raises FoldwatchError where it would come too late."""
    missing = [name for name in THREAD_CAPS if name not in environment]
    late = [module for module in READS_CAPS_AT_IMPORT if module in loaded]
    if missing and late:
        raise FoldwatchError(
            f"thread caps come too late: {', '.join(late)} is loaded already;"
            f" set {', '.join(missing)} before importing it"
        )
    for name in missing:
        environment[name] = THREAD_CAPS[name]
