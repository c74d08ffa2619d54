"""The function that trains a fold, by its name ``package.module:function``.

Owns how such a name is read and found. Modules of the current folder come last: one that is called
as a package of foldwatch's or of a library's is not taken for it.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_NAME = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")


def split_name(name: str) -> tuple[str, str]:
    """Return module and function of a name. Raises InputError."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{name!r}: not a model's name; write package.module:function")
    return match["module"], match["function"]


def check_name(name: str) -> None:
    """See that the module is there, without importing it. Raises InputError."""
    module, _ = split_name(name)
    parts = module.split(".")
    spec = _top_package(parts[0])
    for end in range(1, len(parts) + 1):
        part = ".".join(parts[:end])
        if end > 1 and spec is not None:
            spec = PathFinder.find_spec(part, list(spec.submodule_search_locations or ()))
        if spec is None:
            raise InputError(
                f"{name}: no module {part} in {os.getcwd()} or among what is installed"
            )


def _top_package(name: str) -> ModuleSpec | None:
    """Find it by whatever finds modules here: an editable install is on no path, but has a finder."""
    try:
        found = find_spec(name)
    except ValueError:  # it is loaded and does not say where from: __main__
        found = None
    return found or PathFinder.find_spec(name, [os.getcwd()])


def load_module(name: str) -> ModuleType:
    """Import the module of a model's name. Raises InputError where there is none of that name."""
    module, _ = split_name(name)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and something that it imports is not
        check_name(name)
        raise


def load_function(name: str) -> Callable[[Any], object]:
    """Import the function of that name. Raises InputError where the module has none."""
    found: object = getattr(load_module(name), split_name(name)[1], None)
    if not callable(found):
        raise InputError(f"{name}: {split_name(name)[0]} has no function {split_name(name)[1]}")
    return found


def missing_modules(*more: str) -> list[str]:
    """Return what of the reference pipeline's imports, and ``more``, is not installed; loads none."""
    return [name for name in ("tensorflow", "sklearn", *more) if find_spec(name) is None]
