"""The function that trains a fold, found by its name ``package.module:function``.

The current folder is searched last, so that a module there does not hide a package of foldwatch or of a library.
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
    """Check that the module exists, without importing it. Raises InputError."""
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
    """Find a top-level module by every finder: an editable install is on no path, but has a finder."""
    try:
        spec = find_spec(name)
    except ValueError:  # it is loaded and has no spec: __main__
        spec = None
    return spec or PathFinder.find_spec(name, [os.getcwd()])


def load_module(name: str) -> ModuleType:
    """Import the module of a model's name. Raises InputError if there is none of that name."""
    module, _ = split_name(name)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it exists, and a module that it imports does not
        check_name(name)
        raise


def load_function(name: str) -> Callable[[Any], object]:
    """Import the function of that name. Raises InputError if the module has none."""
    function: object = getattr(load_module(name), split_name(name)[1], None)
    if not callable(function):
        raise InputError(f"{name}: {split_name(name)[0]} has no function {split_name(name)[1]}")
    return function


def missing_modules(*more: str) -> list[str]:
    """Return which imports of the reference pipeline, and of ``more``, are not installed; load none."""
    return [name for name in ("tensorflow", "sklearn", *more) if find_spec(name) is None]
