"""Opening a file that others may have put there: what is none never keeps the reader waiting.

Owns that one step. It must not know what is in the file.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO


def open_regular(path: str) -> FileIO:
    """Open ``path`` for reading, unbuffered. Raises OSError, also where it is no regular file.

    A pipe would wait for a writer for good (open(2)), and a device may act on being opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    # It may have been replaced since: O_NONBLOCK, which regular files ignore.
    return open(
        path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
    )
