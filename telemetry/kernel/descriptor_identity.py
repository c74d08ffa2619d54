"""Descriptors by what they are: which there are more of, when their number grew.

A file is known by its path, in which numbers are left out, so that a log for each fold is one kind; a socket, a pipe and
what has no path by the name that the kernel gives it (proc_pid_fd(5)), without its own number.
"""

from __future__ import annotations

import os
import re
from collections import Counter

from telemetry.interruption import pass_on

MOST_READ = 20_000
"""At about 2 microseconds each."""
KEPT = 50
"""Identities that are kept, those with the most descriptors."""
OTHER = "other descriptors"
LONGEST_NAME = 200
_NUMBER = re.compile(r"[0-9]+")
_OWN_NUMBER = re.compile(r":\[[0-9]+\]$")


def descriptor_name(link: str) -> str:
    """Return what a descriptor is, from what its link in /proc/PID/fd says: ``/logs/fold-#.log``, ``socket``."""
    name = _OWN_NUMBER.sub("", link)
    return _NUMBER.sub("#", name)[:LONGEST_NAME] if name.startswith("/") else name[:LONGEST_NAME]


def read_descriptors_by_identity(pid: int) -> dict[str, int]:
    """Count the open descriptors of ``pid`` by what they are. Raises OSError."""
    folder = f"/proc/{pid}/fd"
    counts: Counter[str] = Counter()
    for number in os.listdir(folder)[:MOST_READ]:
        try:
            counts[descriptor_name(os.readlink(f"{folder}/{number}"))] += 1
        except OSError as error:  # it has just been closed
            pass_on(error)
    ranked = counts.most_common()
    found = dict(ranked[:KEPT])
    if rest := sum(number for _, number in ranked[KEPT:]):
        found[OTHER] = rest
    return {name.encode(errors="backslashreplace").decode(): count for name, count in found.items()}
