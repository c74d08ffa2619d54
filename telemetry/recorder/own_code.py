"""Which code is the program's own, and how a place in it is written."""

from __future__ import annotations

import os
import sysconfig
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType

_INSTALLED = tuple(
    f"{path}{os.sep}"
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_path(name))
)
_PARTS = (
    f"{os.sep}site-packages{os.sep}",
    f"{os.sep}dist-packages{os.sep}",
    f"{os.sep}lib{os.sep}python3",
)
"""Of the paths of packages and of Python's library, also where another interpreter runs the program."""
_PLACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_OURS = tuple(
    os.path.join(_PLACE, name) + os.sep
    for name in (
        "telemetry",
        "foldwatch",
        os.path.join("trainer", "worker"),
        os.path.join("trainer", "explain"),
    )
)
_TELEMETRY = os.path.join(_PLACE, "telemetry") + os.sep
_REFERENCE = os.path.join(_PLACE, "trainer", "reference") + os.sep
"""What `foldwatch train` trains by default is a program like a user's, wherever it is installed."""


@cache
def is_of_program(path: str) -> bool:
    """Whether a file is the program's own: of no installed package, nor Python's library, nor foldwatch's."""
    return path.startswith(_REFERENCE) or not (
        path.startswith(("<frozen", *_INSTALLED, *_OURS)) or any(part in path for part in _PARTS)
    )


@cache
def is_telemetry(path: str) -> bool:
    """Whether a file is of what the program calls to be watched."""
    return path.startswith(_TELEMETRY)


def place_of(code: CodeType, line: int) -> str:
    """Return ``train.py:212``."""
    return f"{os.path.basename(code.co_filename)}:{line}"
