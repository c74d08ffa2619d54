"""Files that are whole or absent: written aside, then renamed over what was there.

Owns that step alone. It must not know what is written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_file(path: str) -> Iterator[str]:
    """Give a path to write to; at the end it becomes ``path``, or after an exception nothing does.

    What is no file (a pipe, /dev/stdout) is written to as it is: a rename would put a file in its
    place. A link stays one. Not synced: that is the caller's. Raises OSError, which names ``path``.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        yield path
        return
    target = os.path.realpath(path)
    aside = f"{target}.{os.getpid()}.part"
    try:
        yield aside
        os.replace(aside, target)
    except BaseException as error:  # Ctrl-C as well
        with suppress(OSError):
            os.unlink(aside)
        if isinstance(error, OSError):  # a failed write does not say of which file
            raise OSError(error.errno, error.strerror, path) from error
        raise
