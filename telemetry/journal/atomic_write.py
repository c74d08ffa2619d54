"""Files that are whole or absent, and reading what another process put there without waiting for it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from telemetry.journal.private_files import open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO


@contextmanager
def writing(path: str) -> Iterator[str]:
    """Give a path to write to; at the end it becomes ``path``, or after an exception nothing does.

    What is no file (a pipe, /dev/stdout) is written to as it is: a rename would put a file in its
    place. A link stays one. Not synced: that is the caller's. Raises OSError, which names ``path``.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        yield path
        return
    with _replacing(os.path.realpath(path), path, _open_by_umask) as aside:
        yield aside


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Give a path to write to; at the end it takes the place of whatever ``path`` is: a file, a link, a pipe.

    It is a file of a run directory, private as those are. After an exception nothing has changed. Raises OSError,
    which names ``path``.
    """
    with _replacing(path, path, open_private) as aside:
        yield aside


@contextmanager
def _replacing(path: str, named: str, opener: Callable[[str, int], int]) -> Iterator[str]:
    aside = _new_file_beside(path, named, opener)
    try:
        yield aside
        os.replace(aside, path)
    except BaseException as error:  # Ctrl-C as well
        with suppress(OSError):
            os.unlink(aside)
        if isinstance(error, OSError):  # a failed write does not say of which file
            raise OSError(error.errno, error.strerror, named) from error
        raise


def _open_by_umask(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _new_file_beside(path: str, named: str, opener: Callable[[str, int], int]) -> str:
    """Make an empty file that nobody could have put there before, nor a link. Raises OSError, which names ``named``."""
    aside = f"{path}.{os.urandom(6).hex()}.part"
    try:
        os.close(opener(aside, os.O_WRONLY | os.O_EXCL))
    except OSError as error:
        raise OSError(error.errno, error.strerror, named) from error
    return aside


def open_regular(path: str) -> FileIO:
    """Open ``path`` for reading, unbuffered. Raises OSError, also if it is no regular file.

    A pipe would wait for a writer for good (open(2)), and a device may act on being opened. A file of /proc, which a
    link may lead to, calls itself regular and may be the memory of whoever reads it.
    """
    if not is_regular(path):
        raise OSError(errno.EINVAL, "not a regular file", path)
    # It may have been replaced since: O_NONBLOCK, which regular files ignore.
    return open(
        path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
    )


def is_regular(path: str) -> bool:
    """Whether ``path`` is a regular file of a disk, which no read waits for. Raises OSError if it is not there."""
    found = os.stat(path)
    return stat.S_ISREG(found.st_mode) and found.st_dev not in _devices_of_kernel()


@cache
def _devices_of_kernel() -> frozenset[int]:
    """Return the devices of procfs, sysfs, tracefs and debugfs: /proc/kmsg and trace_pipe wait for what comes."""
    found = set()
    for path in ("/proc/self/status", "/sys/kernel", "/sys/kernel/tracing", "/sys/kernel/debug"):
        with suppress(OSError):
            found.add(os.stat(path).st_dev)
    return frozenset(found)


def append_regular(path: str) -> FileIO:
    """Open ``path`` for appending, made as needed. Raises OSError, also if it is no regular file."""
    return open(path, "ab", buffering=0, opener=open_private)
