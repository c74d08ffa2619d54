"""Who may read what is written into a run directory: its owner, and its group where that is asked for.

A journal holds a command line, and an output whatever the training printed, so neither is for everybody.
"""

from __future__ import annotations

import errno
import os
import stat

from telemetry.interruption import pass_on

GROUP_READABLE = "FOLDWATCH_GROUP_READABLE"
"""Environment variable, 1 if the group may read; the option --group-readable sets it for the folds, too."""


def let_group_read(*, is_wanted: bool) -> None:
    """Let the group read what this process and those that it starts write, if that is wanted."""
    if is_wanted:
        os.environ[GROUP_READABLE] = "1"


def make_folder(path: str) -> None:
    """Make a folder with mode 0700, or 0750 for the group; those above it as the umask has it. Raises OSError."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    if _group_may_read():
        try:
            mode = stat.S_IMODE(os.stat(path).st_mode) | 0o050
            os.chmod(path, mode)
        except OSError as error:  # another's folder
            pass_on(error)


def make_fold_folder(path: str) -> None:
    """Make the folder of a fold, as `make_folder`; a link in its place, which another fold may have put there, is refused."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "a link in the place of the fold's directory", path)
    make_folder(path)
    found, most = os.stat(path), 0o750 if _group_may_read() else 0o700
    if (
        found.st_uid == os.geteuid() and found.st_mode & 0o777 & ~most
    ):  # an earlier fold has made it
        os.chmod(path, stat.S_IMODE(found.st_mode) & most)


def open_private(path: str, flags: int) -> int:
    """Open a regular file, made with mode 0600, or 0640 for the group; never waits. Raises OSError.

    A link in its place is refused: what it points to is not ours to write to. A new process does not inherit it.
    """
    # O_NONBLOCK, which regular files ignore: a pipe would wait for a reader for good.
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        if flags & os.O_EXCL:
            os.unlink(path)  # this call has made it
        raise
    if not is_regular:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    if _group_may_read():
        try:
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | 0o040)
        except OSError as error:  # another's file
            pass_on(error)
    return descriptor


def _group_may_read() -> bool:
    return os.environ.get(GROUP_READABLE, "").strip().lower() in {"1", "true", "yes", "on"}
