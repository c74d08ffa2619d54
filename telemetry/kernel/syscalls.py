"""System calls on kernel files that keep the interpreter's lock.

Python's own ``os.read`` gives the lock (GIL) up around every call, and a thread that wants it back
while another one computes waits a switch interval of 5 ms: the hundred calls of one checkpoint took
half a second beside a busy Python thread. The files read here are made up by the kernel on the spot,
so nothing is worth giving the lock up for. What may wait for a disk (the journal) is not read here.

``ctypes.PyDLL`` is documented to keep the lock.
"""

from __future__ import annotations

import ctypes
import os
import sys

_libc = ctypes.PyDLL(None, use_errno=True)
_open = _libc.open
_open.argtypes = (ctypes.c_char_p, ctypes.c_int)
_read = _libc.read
_read.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_read.restype = ctypes.c_ssize_t
_pread = _libc.pread
_pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
_pread.restype = ctypes.c_ssize_t
_close = _libc.close
_close.argtypes = (ctypes.c_int,)
_getdents = getattr(_libc, "getdents64", None)
"""None before glibc 2.30 and on other systems."""
if _getdents is not None:
    _getdents.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    _getdents.restype = ctypes.c_ssize_t
_statx = getattr(_libc, "statx", None)
"""None before glibc 2.28 and on other systems."""
if _statx is not None:
    _statx.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_void_p,
    )
_AT_FDCWD = -100
_STATX_SIZE = 0x200
"""include/uapi/linux/stat.h and fcntl.h."""
_FLAGS = os.O_RDONLY | os.O_CLOEXEC
_WALL = 0x40000000
"""__WALL of linux/wait.h: children that were cloned without SIGCHLD too."""
_ANY_CHILD = os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL


class Buffer:
    """Memory of a fixed size that the kernel writes into; taken once, so that no limit can refuse it."""

    __slots__ = ("_memory", "address", "size", "view")

    def __init__(self, size: int) -> None:
        self._memory = ctypes.create_string_buffer(size)
        self.address = ctypes.addressof(self._memory)
        self.size = size
        self.view = memoryview(self._memory).cast("B")


def open_file(path: str) -> int:
    """Return a descriptor for reading ``path``, closed on exec. Raises OSError."""
    descriptor: int = _open(os.fsencode(path), _FLAGS)
    if descriptor < 0:
        raise _error(path)
    return descriptor


def close_file(descriptor: int) -> None:
    """Give a descriptor back."""
    _close(descriptor)


def read_at(descriptor: int, buffer: Buffer, offset: int, *, into: int = 0) -> int:
    """Read from ``offset`` of the file into ``buffer`` from byte ``into`` on; return how many bytes came.

    Raises OSError.
    """
    size: int = _pread(descriptor, buffer.address + into, buffer.size - into, offset)
    if size < 0:
        raise _error()
    return size


def read_file(path: str, buffer: Buffer) -> bytes:
    """Return the content of a small file, at most the buffer's size. Raises OSError."""
    descriptor: int = _open(os.fsencode(path), _FLAGS)
    if descriptor < 0:
        raise _error(path)
    size: int = _read(descriptor, buffer.address, buffer.size)
    error = _error(path) if size < 0 else None
    _close(descriptor)
    if error is not None:
        raise error
    return bytes(buffer.view[:size])


def list_folder(path: str, buffer: Buffer) -> list[str]:
    """Return the names in a folder, in its order. Raises OSError.

    ``os.listdir`` gives the lock up for every single entry. Entry of getdents64(2): inode and offset
    of 8 bytes each, length of 2, type of 1, and the name up to a NUL.
    """
    if _getdents is None:
        return os.listdir(path)
    descriptor = open_file(path)
    names = []
    while (size := _getdents(descriptor, buffer.address, buffer.size)) > 0:
        entries, at = bytes(buffer.view[:size]), 0
        while at < size:
            names.append(os.fsdecode(entries[at + 19 : entries.index(0, at + 19)]))
            at += entries[at + 16] | entries[at + 17] << 8
    error = _error(path) if size < 0 else None
    _close(descriptor)
    if error is not None:
        raise error
    return [name for name in names if name not in {".", ".."}]


def folder_size(path: str, buffer: Buffer) -> int:
    """Return the size of a file or folder, as ``os.stat`` gives it. Raises OSError.

    The record of statx(2) has one form on every machine: the size is 8 bytes from byte 40 on.
    """
    if _statx is None:
        return os.stat(path).st_size
    if _statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_SIZE, buffer.address):
        raise _error(path)
    return int.from_bytes(buffer.view[40:48], sys.byteorder)


def has_children() -> bool:
    """Whether this process has children of any kind, zombies included; it reaps none (man 2 waitid)."""
    return bool(_libc.waitid(os.P_ALL, 0, None, _ANY_CHILD) == 0)


def _error(path: str | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
