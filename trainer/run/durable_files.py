"""Files that are whole or absent also after a loss of power, and those that nobody else can have made."""

from __future__ import annotations

import errno
import os

from telemetry.journal.atomic_write import replacing

NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
"""What link(2) fails with on a file system without hard links."""


def write_whole(path: str, text: str) -> None:
    """Write a temporary file, fsync, rename, fsync the folder: after a power loss it is whole or absent.

    Raises OSError; nothing half-written is left under ``path``.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(os.path.dirname(path) or ".")


def sync_folder(path: str) -> None:
    """Make the names in a folder outlive a power loss. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def link_new(source: str, target: str) -> bool:
    """Give ``source`` the name ``target``, unless that is taken; whether it has it. Raises OSError."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if os.path.lexists(target):
            return False
        os.rename(source, target)
    return True
