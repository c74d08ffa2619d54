"""Counts memory maps by asking the kernel for one after the other: PROCMAP_QUERY, Linux 6.11.

Each answer is a fixed record without the path, whose formatting is most of the cost of
/proc/PID/maps when maps are of files. Record: struct procmap_query of include/uapi/linux/fs.h.
"""

from __future__ import annotations

import errno
import fcntl
import sys

from telemetry.interruption import pass_on

PROCMAP_QUERY = 0xC0686611
"""_IOWR('f', 17, struct procmap_query), which has 104 bytes."""
_SIZE, _FLAGS, _ADDRESS, _END = 0, 1, 2, 4
"""Fields of the record, each of 8 bytes: its size, flags, the address asked for, the map's end."""
_COVERING_OR_NEXT_VMA = 0x10
KEEPS_THE_LOCK = sys.version_info < (3, 14)
"""Whether fcntl.ioctl keeps the interpreter's lock for a buffer over 1,024 bytes, as `kernel_calls`
explains it must; Modules/fcntlmodule.c says so up to 3.13, later versions were not looked at."""


class ProcmapQuery:
    """A record and the loop over it."""

    __slots__ = ("_buffer", "_fields")

    def __init__(self) -> None:
        self._buffer = bytearray(2048)
        self._fields = memoryview(self._buffer).cast("Q")

    def count(self, descriptor: int, *, most: int) -> int | None:
        """Count the maps behind a descriptor of /proc/PID/maps; None if there are more than ``most``.

        None also if the kernel does not know the request. Raises OSError: ESRCH for a process
        that has ended.
        """
        if not KEEPS_THE_LOCK:
            return None
        buffer, fields, ask = self._buffer, self._fields, fcntl.ioctl
        fields[_SIZE], fields[_FLAGS], fields[_ADDRESS] = 104, _COVERING_OR_NEXT_VMA, 0
        count = 0
        try:
            while count <= most:
                ask(descriptor, PROCMAP_QUERY, buffer, True)  # noqa: FBT003 - ioctl takes no keywords
                fields[_ADDRESS] = fields[_END]
                count += 1
        except OSError as error:
            pass_on(error)
            if error.errno == errno.ENOENT:  # there is no map behind the last one
                return count
            if error.errno in {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}:
                return None
            raise
        return None
