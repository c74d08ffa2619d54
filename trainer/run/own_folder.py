"""`open_to_owner`: a folder of a run that a fold has closed, by a mode, is opened again for the folds after it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress


def open_to_owner(path: str) -> None:
    """Give its owner, this user, the rights on the folder at ``path`` back. A link is left alone. Never raises.

    Without them nothing can be made in it, and the folder itself cannot be moved to another one (rename(2)).
    """
    with suppress(OSError):
        found = os.lstat(path)
        is_closed = stat.S_IMODE(found.st_mode) & stat.S_IRWXU != stat.S_IRWXU
        if is_closed and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            os.chmod(path, stat.S_IMODE(found.st_mode) | stat.S_IRWXU)
