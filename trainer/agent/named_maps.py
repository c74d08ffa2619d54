"""Has glibc name the maps that it makes: ``[anon: glibc: malloc arena]``, ``[anon: glibc: pthread stack: TID]``."""

from __future__ import annotations

import ctypes
import mmap
import os
from functools import cache

VARIABLE = "GLIBC_TUNABLES"
NAMES_MAPS = "glibc.mem.decorate_maps"
"""Since glibc 2.39 (NEWS)."""
_SINCE = (2, 39)
_PR_SET_VMA, _PR_SET_VMA_ANON_NAME = 0x53564D41, 0
"""linux/prctl.h, since Linux 5.17 with CONFIG_ANON_VMA_NAME; else EINVAL."""


def with_named_maps(tunables: str | None) -> str | None:
    """Return GLIBC_TUNABLES that name the maps; as they are where the user has decided, or glibc or kernel cannot."""
    if (tunables and NAMES_MAPS in tunables) or not can_name_maps():
        return tunables
    return ":".join(filter(None, (tunables, f"{NAMES_MAPS}=1")))


@cache
def can_name_maps() -> bool:
    """Whether glibc and the kernel know it."""
    return glibc_version() >= _SINCE and _kernel_takes_names()


def glibc_version() -> tuple[int, ...]:
    """Return glibc's version; empty with another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return tuple(map(int, version.split("."))) if name == "glibc" else ()
    except (ValueError, OSError):
        return ()


def _kernel_takes_names() -> bool:
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        libc = ctypes.CDLL(None)
        name = ctypes.c_char_p(b"foldwatch")
        words = map(ctypes.c_ulong, (address, mmap.PAGESIZE))
        failed: int = libc.prctl(_PR_SET_VMA, ctypes.c_ulong(_PR_SET_VMA_ANON_NAME), *words, name)
    return failed == 0
