"""System calls on kernel files that keep the interpreter's lock, or give it up where the kernel may wait.

Python's own ``os.read`` gives the lock (GIL) up around every call, and a thread that wants it back
while another one computes waits a switch interval of 5 ms: the hundred calls of one checkpoint took
half a second beside a busy Python thread. The files read here are made up by the kernel on the spot,
so nothing is worth giving the lock up for, but for some of another process: its ``maps``, ``smaps_rollup``, ``cmdline``
and ``environ`` wait until it lets go of the lock of its memory maps. What may wait for a disk (the journal) is not read here.

``ctypes.PyDLL`` is documented to keep the lock, and ``ctypes.CDLL`` to give it up.
"""

from __future__ import annotations

import ctypes
import os
import sys


class _Calls:
    """The functions of libc, through a library object that keeps the interpreter's lock or gives it up meanwhile."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self.waitid = libc.waitid
        self.open = libc.open
        self.open.argtypes = (ctypes.c_char_p, ctypes.c_int)
        self.read = libc.read
        self.read.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
        self.read.restype = ctypes.c_ssize_t
        self.pread = libc.pread
        self.pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
        self.pread.restype = ctypes.c_ssize_t
        self.close = libc.close
        self.close.argtypes = (ctypes.c_int,)
        self.getdents = getattr(libc, "getdents64", None)
        """None before glibc 2.30 and on other systems."""
        if self.getdents is not None:
            self.getdents.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
            self.getdents.restype = ctypes.c_ssize_t
        self.statx = getattr(libc, "statx", None)
        """None before glibc 2.28 and on other systems."""
        if self.statx is not None:
            path = ctypes.c_int, ctypes.c_char_p, ctypes.c_int
            self.statx.argtypes = (*path, ctypes.c_uint, ctypes.c_void_p)


_KEEPING = _Calls(ctypes.PyDLL(None, use_errno=True))
_GIVING_WAY = _Calls(ctypes.CDLL(None, use_errno=True))
_AT_FDCWD = -100
_STATX_SIZE = 0x200
"""include/uapi/linux/stat.h and fcntl.h."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_WALL = 0x40000000
"""__WALL of linux/wait.h: children that were cloned without SIGCHLD too."""
_ANY_CHILD = os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL


class Buffer:
    """Memory of a fixed size that the kernel writes into; taken once, so that no limit can refuse it."""

    __slots__ = ("_memory", "address", "calls", "size", "view")

    def __init__(self, size: int, *, gives_way: bool = False) -> None:
        """Take its size, and whether other threads may go on while the kernel fills it."""
        self.calls = _GIVING_WAY if gives_way else _KEEPING
        self._memory = ctypes.create_string_buffer(size)
        self.address = ctypes.addressof(self._memory)
        self.size = size
        self.view = memoryview(self._memory).cast("B")


def open_file(path: str, buffer: Buffer) -> int:
    """Return a descriptor for reading ``path`` into ``buffer``, closed on exec. Raises OSError."""
    descriptor: int = buffer.calls.open(os.fsencode(path), _FLAGS)
    if descriptor < 0:
        raise _error(path)
    return descriptor


def close_file(descriptor: int) -> None:
    """Give a descriptor back."""
    _KEEPING.close(descriptor)


def read_at(descriptor: int, buffer: Buffer, offset: int, *, into: int = 0) -> int:
    """Read from ``offset`` of the file into ``buffer`` from byte ``into`` on; return how many bytes came.

    Raises OSError.
    """
    size: int = buffer.calls.pread(descriptor, buffer.address + into, buffer.size - into, offset)
    if size < 0:
        raise _error()
    return size


def read_file(path: str, buffer: Buffer) -> bytes:
    """Return the content of a small file, at most the buffer's size. Raises OSError."""
    calls = buffer.calls
    descriptor: int = calls.open(os.fsencode(path), _FLAGS)
    if descriptor < 0:
        raise _error(path)
    size: int = calls.read(descriptor, buffer.address, buffer.size)
    error = _error(path) if size < 0 else None
    _KEEPING.close(descriptor)
    if error is not None:
        raise error
    return bytes(buffer.view[:size])


def list_folder(path: str, buffer: Buffer) -> list[str]:
    """Return the names in a folder, in its order. Raises OSError.

    ``os.listdir`` gives the lock up for every single entry. Entry of getdents64(2): inode and offset
    of 8 bytes each, length of 2, type of 1, and the name up to a NUL.
    """
    getdents = buffer.calls.getdents
    if getdents is None:
        return os.listdir(path)
    descriptor = open_file(path, buffer)
    names = []
    while (size := getdents(descriptor, buffer.address, buffer.size)) > 0:
        entries, at = bytes(buffer.view[:size]), 0
        while at < size:
            names.append(os.fsdecode(entries[at + 19 : entries.index(0, at + 19)]))
            at += entries[at + 16] | entries[at + 17] << 8
    error = _error(path) if size < 0 else None
    close_file(descriptor)
    if error is not None:
        raise error
    return [name for name in names if name not in {".", ".."}]


def folder_size(path: str, buffer: Buffer) -> int:
    """Return the size of a file or folder, as ``os.stat`` gives it. Raises OSError.

    The record of statx(2) has one form on every machine: the size is 8 bytes from byte 40 on.
    """
    statx = buffer.calls.statx
    if statx is None:
        return os.stat(path).st_size
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_SIZE, buffer.address):
        raise _error(path)
    return int.from_bytes(buffer.view[40:48], sys.byteorder)


def has_children() -> bool:
    """Whether this process has children of any kind, zombies included; it reaps none (man 2 waitid)."""
    return bool(_KEEPING.waitid(os.P_ALL, 0, None, _ANY_CHILD) == 0)


def _error(path: str | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
