"""`check_own`: are the packages beside this one those that Python finds?

Their names are plain ones, and a file ``trainer.py`` in the folder of a script, or of ``python -m foldwatch``, comes first.
"""

from __future__ import annotations

import os
import sys


def check_own(*names: str) -> None:
    """See that each package is foldwatch's; a foreign one is not run for it.

    Raises:
        ImportError: One is not; the message names it and what to do.
    """
    beside = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in names:
        found = _file_of(name)
        if found is None or os.path.dirname(os.path.realpath(found)) != os.path.join(beside, name):
            raise ImportError(
                f"the module {name} that Python finds is not foldwatch's: {found or 'a folder of that name'};"
                " rename it, or run the script from elsewhere"
            )


def _file_of(name: str) -> str | None:
    """Return the file of a package, loaded or to be loaded; None for one without, or where there is none."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None)
    # As importlib.util.find_spec does, which a training need not load.
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    specs = (finder.find_spec(name, None) for finder in finders)
    return next((spec.origin for spec in specs if spec is not None), None)
