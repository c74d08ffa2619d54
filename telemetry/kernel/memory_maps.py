"""Memory maps by kind, from /proc/PID/maps: which kind grew, when their number did.

`procfs.ProcessFiles.maps` only counts them, many times cheaper. Format: man 5 proc.
"""

from __future__ import annotations

import os
from collections import Counter

KINDS = ("anonymous", "thread stack", "heap", "file", "device", "other")


# 7f0000000000-7f0000021000 rw-p 00000000 00:00 0
# 55d0c0000000-55d0c0001000 r--p 00000000 fe:00 393 /usr/bin/python3.11
# 7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
def maps_by_kind(text: bytes) -> dict[str, int]:
    """Count the entries of a maps file by kind; kinds without an entry are absent.

    A thread's stack is two entries: a guard without permissions and, right above it, the anonymous
    rest (glibc nptl/allocatestack.c, before its use of MADV_GUARD_INSTALL; with that, stacks count
    as anonymous). ``[vsyscall]`` is no mapping of the process.
    """
    counts: Counter[str] = Counter()
    guard_end = b""
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 5:
            continue
        start, _, end = fields[0].partition(b"-")
        path = fields[5] if len(fields) == 6 else b""
        if path == b"[vsyscall]":
            continue
        kind = _kind(path)
        if kind == "anonymous" and fields[1].startswith(b"rw") and start == guard_end:
            counts["anonymous"] -= 1  # the guard belongs to the stack above it
            counts["thread stack"] += 1
            kind = "thread stack"
        is_guard = kind == "anonymous" and fields[1].startswith(b"---")
        guard_end = end if is_guard else b""
        counts[kind] += 1
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def _kind(path: bytes) -> str:
    if not path or path.startswith(b"[anon"):
        return "anonymous"
    if path == b"[heap]":
        return "heap"
    if path.startswith(b"/dev/") and not path.startswith(b"/dev/shm/"):
        return "device"
    return "file" if path.startswith(b"/") else "other"


def read_maps_by_kind(pid: int, *, root: str = "/") -> dict[str, int]:
    """Read and count the maps of ``pid``. Raises OSError."""
    with open(os.path.join(root, "proc", str(pid), "maps"), "rb") as file:
        return maps_by_kind(file.read())
