"""`Holders`: who holds what counts against one limit, the sentence that says so, and what to do about the largest.

``pids_cgroup 386/400: neigh.py (pid 812) 331, zombies of zomb.py 30, this run 25``

What a neighbour fills is not mended by fewer threads here, so the advice is for whoever holds the most.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from telemetry.formatting import format_amount
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT = "holders"
"""The journal's event of them."""
KEPT = 5
"""The largest holders that are named, this run beside them."""
LONGEST_NAME = 60
FRESH_SECONDS = 180.0
"""For so long they stand beside a later reading."""
MOST_UNSEEN_SHARE = {"tasks": 0.02, "memory": 0.1, "descriptors": 0.02}
"""Of the use: what is held starts and ends while it is read, piece by piece."""
RUN_SHARE = 0.25
"""From here on it helps as well that this run takes less."""
_LARGEST_SHARE = 0.5
_SEPARATORS = frozenset(",;()")
"""Marks of the sentence: a name with one of them could make up a holder."""

COUNTED: Mapping[str, str] = {
    "pids_cgroup": "tasks",
    "nproc": "tasks",
    "threads_max": "tasks",
    "pid_max": "tasks",
    "cgroup_memory": "memory",
    "host_memory": "memory",
    "open_files": "descriptors",
}
"""The limits that have holders, each with what of a process counts; every other one is of a single process."""


class HolderKind(enum.StrEnum):
    """What holds."""

    PROGRAM = "program"
    """Processes of one name that are not of this run."""
    ZOMBIES = "zombies"
    """Processes that have ended and wait for their parent, which is named, to reap them."""
    RUN = "run"
    """The recorded process, what descends from it, and its siblings of the same name: ranks, or jobs of a sweep."""
    DESCRIPTORS = "descriptors"
    """Descriptors of one kind that the process has open."""
    KERNEL = "kernel"
    """The kernel's own threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHolder:
    """One that holds part of what counts."""

    kind: HolderKind
    amount: int
    """Tasks, bytes or descriptors."""
    name: str = ""
    """Of the script or program; of zombies, and of this run's, that of the parent; of descriptors what they are."""
    pid: int | None = None
    """Of its largest process; of zombies their parent's."""
    processes: int = 1
    zombies: int = 0
    """Of this run: tasks among them that only wait to be reaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Who held one limit at one moment."""

    time: float
    limit: str
    """A key of `COUNTED`."""
    used: int
    """As the kernel counts it."""
    most: int
    scope: str
    """Whose use counts: a cgroup's folder, ``user 1000``, ``host``, ``process 42``."""
    top: tuple[LimitHolder, ...]
    """The KEPT largest and this run, the largest first."""
    others: int = 0
    """What further ones hold that were seen."""
    unseen: int = 0
    """What counts and is of nobody that could be read: of other namespaces, hidden (hidepid), or too many.

    Of memory also what is of no process: page cache, files in tmpfs, the kernel's own.
    """

    @property
    def sentence(self) -> str:
        """Say who holds it: ``pids_cgroup 386/400: neigh.py (pid 812) 331, zombies of zomb.py 30, this run 25``."""
        parts = [f"{_title(holder)} {self._amount(holder.amount)}" for holder in self.top]
        if self.others:
            parts.append(f"others {self._amount(self.others)}")
        if self.has_unseen:
            title = "of no process seen" if self._is_bytes else "not seen from here"
            parts.append(f"{title} {self._amount(self.unseen)}")
        used = format_amount(self.used, is_bytes=self._is_bytes).removesuffix(" MB")
        most = self._amount(self.most)
        return f"{self.limit} {used}/{most}: {', '.join(parts) or 'nobody is seen'}"

    @property
    def advice(self) -> str:
        """Say what to do about the largest holder; where this run is it, what helps against its own use."""
        own = LIMITS[self.limit].advice
        largest = self.largest
        if self._is_unseen and self._is_bytes:
            return (
                f"{self._share(self.unseen)} are of no process that is seen: files in tmpfs (df -h /dev/shm), page cache or"
                f" the kernel. {own}"
            )
        if self._is_unseen:
            return (
                f"{self._share(self.unseen)} are of processes that cannot be seen from here: look for them on the host,"
                " or as root (foldwatch limits --who --pid N)."
            )
        if largest is None:
            return own
        told = self._advice_for(largest)
        if told is None:
            return own
        return f"{told} {own}" if self.run_share >= RUN_SHARE and largest.kind != "run" else told

    @property
    def largest(self) -> LimitHolder | None:
        """Who holds the most of those seen."""
        return self.top[0] if self.top else None

    @property
    def run_share(self) -> float:
        """Which share of the use this run holds."""
        amount = sum(holder.amount for holder in self.top if holder.kind == HolderKind.RUN)
        return amount / self.used if self.used else 0.0

    @property
    def is_of_others(self) -> bool:
        """Whether others hold the most, so that less of this run's use does not mend it."""
        if COUNTED[self.limit] == "descriptors" or self.run_share >= _LARGEST_SHARE:
            return False
        if self._is_unseen:
            return not self._is_bytes
        return self.largest is not None and self.largest.kind != "run"

    @property
    def has_unseen(self) -> bool:
        """Whether more counts than was seen, beyond what starts and ends meanwhile."""
        return self.unseen > max(2, MOST_UNSEEN_SHARE[COUNTED[self.limit]] * self.used)

    def facts(self) -> dict[str, Any]:
        """Return them as an event's facts; the time is the event's own."""
        return {
            "limit": self.limit,
            "used": self.used,
            "most": self.most,
            "scope": self.scope,
            "top": [_present(holder) for holder in self.top],
            "others": self.others,
            "unseen": self.unseen,
        }

    @property
    def _is_unseen(self) -> bool:
        """Whether most of it is of nobody that was seen."""
        return self.has_unseen and (self.largest is None or self.unseen > self.largest.amount)

    @property
    def _is_bytes(self) -> bool:
        return LIMITS[self.limit].is_bytes

    def _amount(self, value: int) -> str:
        return format_amount(value, is_bytes=self._is_bytes)

    def _share(self, amount: int) -> str:
        of = f"{self._amount(amount)} of {self._amount(self.used)}"
        return f"{of} ({amount / self.used:.0%})" if self.used else of

    def _advice_for(self, holder: LimitHolder) -> str | None:
        """Return what to do about ``holder``; None where the limit's own advice is that."""
        held = self._share(holder.amount)
        if holder.kind == HolderKind.ZOMBIES or holder.zombies > _LARGEST_SHARE * holder.amount:
            return _reaping(holder)
        if holder.kind == HolderKind.RUN:
            return None
        if holder.kind == HolderKind.DESCRIPTORS:
            return f"{held} are {holder.name}: close what each fold opens of it, or raise the soft limit with ulimit -n."
        if holder.kind == HolderKind.KERNEL:
            return f"The kernel's own threads are {held}: the host's limit is too low for it."
        whole = f"{holder.name} (pid {holder.pid}), which is not of this run, holds {held}"
        if COUNTED[self.limit] == "memory":
            return f"{whole}: end or bound it, or give this run memory of its own; a smaller batch here does not mend it."
        return f"{whole}: end or bound it, or raise the limit; fewer threads here do not mend it."


def _reaping(holder: LimitHolder) -> str:
    count = holder.zombies or holder.amount
    if holder.pid == 1:
        words = f"PID 1 ({holder.name}) does not reap {count:,} zombies"
        return f"{words}: start the container with an init that does (docker run --init)."
    who = f"{holder.name} (pid {holder.pid})"
    return f"{who} must reap its {count:,} zombies, each of which counts (wait for its children); they go when it ends."


def clean_name(text: str) -> str:
    """Return a name that can stand in a sentence: no control character, none of its marks, not too long."""
    return "".join(map(_shown, text[:LONGEST_NAME].strip())) or "?"


def _shown(letter: str) -> str:
    return letter if letter.isprintable() and letter not in _SEPARATORS else "_"


def _title(holder: LimitHolder) -> str:
    if holder.kind == HolderKind.RUN:
        zombies = f" ({holder.zombies:,} zombies of {holder.name})" if holder.zombies else ""
        return f"this run{zombies}"
    if holder.kind == HolderKind.ZOMBIES:
        return f"zombies of {holder.name}"
    if holder.kind == HolderKind.PROGRAM:
        more = f" and {holder.processes - 1:,} more" if holder.processes > 1 else ""
        return f"{holder.name} (pid {holder.pid}{more})"
    return "the kernel" if holder.kind == HolderKind.KERNEL else holder.name


def _present(holder: LimitHolder) -> dict[str, Any]:
    content = {name: value for name, value in asdict(holder).items() if value not in {None, ""}}
    return {**content, "kind": holder.kind.value}
