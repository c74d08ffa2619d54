"""`reason`: why a file could not be written or read, and what whoever reads it can do about it."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "make room there, files as well as bytes: df -h, df -i",
    errno.EDQUOT: "make room within the quota or ask for more: quota -s",
    errno.EROFS: "mount it writable (dmesg may say why it is not), or name another place",
    errno.EACCES: "get leave to write there, or name another place: ls -ld",
    errno.EPERM: "see who owns it, or whether it is immutable: ls -ld, lsattr -d",
    errno.ESTALE: "its server has that file no longer: mount it again",
    errno.EIO: "its disk or server fails: see dmesg, and save what is there",
    errno.EFBIG: "raise the limit of a file's size: ulimit -f",
    errno.ELOOP: "a link is in its place: remove it",
    errno.ENXIO: "a pipe or a socket is in its place: remove it",
    errno.EMFILE: "the limit is {limit} (ulimit -n)",
    errno.ENFILE: "raise the host's limit of open files: sysctl fs.file-max",
}
"""By error number; one that is not here says by its own words what to do, or nobody knows."""


def reason(error: OSError) -> str:
    """Return in one line why the kernel refused it, and what to do about it.

    Args:
        error: Any error of a file. One of our own words, which stands for an error number, has no remedy.

    Returns:
        ``No space left on device; make room there, ...``
    """
    why = error.strerror or str(error)
    remedy = REMEDIES.get(error.errno or 0)
    if remedy is None or why != os.strerror(error.errno or 0):
        return why
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"{why}; {remedy.format(limit=limit)}"
