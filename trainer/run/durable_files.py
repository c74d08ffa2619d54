"""Files that are whole or absent also after a loss of power, and those that nobody else can have made."""

from __future__ import annotations

import errno
import os

from telemetry.journal.atomic_write import replacing
from telemetry.journal.private_files import open_private

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


def check_room(folder: str, size: int) -> None:
    """Write that many bytes into a new file of ``folder`` and remove it. Raises OSError, which names the folder."""
    path = os.path.join(folder, f".room.{os.urandom(6).hex()}.part")
    try:
        descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
        try:
            left = size
            while left:  # a write may take a part of it
                left -= os.write(descriptor, bytes(left))
            os.fsync(descriptor)  # only now some file systems see that there is none
        finally:
            os.close(descriptor)
            os.unlink(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, folder) from error


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
