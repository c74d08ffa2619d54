"""Memory maps by what they are: which maps grew, when their number did.

A map is known by its file or its name (``[heap]``, ``[anon:...]``), what its pages may be used for, and, if it has no
file, by its size, rounded to a power of two. Two kinds of anonymous maps are known by their form: a thread's stack lies
right above its guard, and an arena of glibc's malloc begins at a multiple of 64 MiB, the part that is not in use yet
without permissions behind it (glibc malloc/arena.c, HEAP_MAX_SIZE).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TypeAlias

ARENA_BYTES = 64 * 2**20
KEPT = 50
"""Identities that are kept, those with the most maps."""
OTHER = "other maps"
LONGEST_NAME = 200


_Key: TypeAlias = tuple[bytes, bytes, int]
"""Name, permissions, and the size of a map without a file or name, rounded up to a power of two; else 0."""
GUARD: _Key = (b"anonymous", b"---p", 0)
STACK: _Key = (b"thread stack", b"", 0)
ARENA: _Key = (b"malloc arena", b"", 0)
_NAMED_BY_GLIBC = b"[anon: glibc: "
_THREAD = re.compile(rb": \d+\]$")
_LINE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$", re.MULTILINE)


def maps_by_identity(text: bytes, *, kept: int = KEPT) -> dict[str, int]:
    """Count the entries of a maps file by what they are; those beyond ``kept`` identities together.

    Format: proc_pid_maps(5). ``[vsyscall]`` is no mapping of the process.
    """
    counts: Counter[_Key] = Counter()
    before: tuple[int, int, _Key] = (0, 0, GUARD)
    for first, last, permissions, name in _LINE.findall(text):
        if name:
            if name.startswith(_NAMED_BY_GLIBC):
                name = _THREAD.sub(b"]", name)  # noqa: PLW2901 - each thread's stack has its number
            counts[name, permissions if name.startswith(b"/") else b"", 0] += 1
            continue
        start, end = int(first, 16), int(last, 16)
        key = (b"anonymous", permissions, 1 << (end - start - 1).bit_length())
        if permissions == b"---p":
            key = GUARD
            if start == before[1] and not end % ARENA_BYTES and not before[0] % ARENA_BYTES:
                key = ARENA
                counts[before[2]] -= 1  # now it is known what it was the beginning of
                counts[ARENA] += 1
        elif permissions == b"rw-p" and start == before[1] and before[2] is GUARD:
            key = STACK
            counts[GUARD] -= 1  # it belongs to the stack
            counts[STACK] += 1
        counts[key] += 1
        before = start, end, key
    del counts[b"[vsyscall]", b"", 0]
    ranked = [(key, number) for key, number in counts.most_common() if number]
    found: dict[str, int] = {}
    for key, number in ranked[:kept]:
        words = _words(*key)  # two long names may begin alike
        found[words] = found.get(words, 0) + number
    if rest := sum(number for _, number in ranked[kept:]):
        found[OTHER] = rest
    return found


def _words(name: bytes, permissions: bytes, size: int) -> str:
    words = [name.decode(errors="replace")[:LONGEST_NAME], permissions.decode("ascii", "replace")]
    for unit, bytes_of in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= bytes_of:
            words.append(f"{size // bytes_of} {unit}")
            break
    return " ".join(filter(None, words))


def read_maps_by_identity(pid: int, *, root: str = "/") -> dict[str, int]:
    """Read and count the maps of ``pid``. Raises OSError and ValueError."""
    with open(os.path.join(root, "proc", str(pid), "maps"), "rb") as file:
        return maps_by_identity(file.read())
