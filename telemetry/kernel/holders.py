"""Who holds what counts against a limit: the processes of its cgroup, of the user or of the host, from one look at all.

Tasks are the ``Threads`` of /proc/PID/status; a zombie counts as one until its parent reaps it (kernel/cgroup/pids.c,
pids_release). No cgroup.procs lists a zombie, and in v1 its own /proc/PID/cgroup names the root (kernel/cgroup/cgroup.c,
css_task_iter_advance, proc_cgroup_show): it is taken to be where its parent is. Memory is VmRSS, in which a
page counts once for each process that maps it. Descriptors are of one process, so its holders are what they are.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from telemetry.holders import (
    COUNTED,
    KEPT,
    LONGEST_NAME,
    HolderKind,
    Holders,
    LimitHolder,
    clean_name,
)
from telemetry.interruption import pass_on
from telemetry.kernel.cgroup_controller import Controller
from telemetry.kernel.descriptor_identity import descriptor_name
from telemetry.kernel.process_table import ProcessTable, SeenProcess
from telemetry.kernel.process_tree import BUFFER_BYTES
from telemetry.kernel.syscalls import Buffer, list_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from telemetry.reading import Reading

LONGEST_SECONDS = 0.25
"""Of one look; what was not read by then is told as not seen. 300 processes take some 10 ms."""
MOST_CGROUPS = 1000
MOST_NAMED = 500
"""Of the processes of others, the largest; the rest goes by the 15 bytes that the kernel keeps."""
_CONTROLLERS = {"pids_cgroup": "pids", "cgroup_memory": "memory"}


class _Scope(NamedTuple):
    """Whose use counts against a limit."""

    title: str
    counts: Callable[[SeenProcess], bool]
    members: Collection[int] = ()
    """The processes of a cgroup, which are read first."""


def read_holders(
    reading: Reading,
    limits: Iterable[str],
    *,
    run_pid: int | None = None,
    within_seconds: float = LONGEST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Holders]:
    """Read who holds ``limits`` of the process of ``reading``, by one look at all processes.

    Args:
        reading: Of a process of this host; its numbers are the kernel's counters.
        limits: Keys of `COUNTED`; those without a number are left out.
        run_pid: Whose run is meant, with all that descends from it; by default the process of ``reading``.
        within_seconds: When to stop; what was not read counts as not seen.
        clock: In seconds.

    Raises:
        OSError: Nothing could be read; a limit of which only its own part cannot be read is left out.
    """
    table = ProcessTable(run_pid or reading.pid, until=clock() + within_seconds, clock=clock)
    known = [name for name in limits if name in COUNTED and reading.usage(name).ratio is not None]
    scopes: dict[str, _Scope] = {}
    found: list[Holders] = []
    failures: list[OSError] = []
    for name in known:
        try:
            scopes[name] = _scope(name, reading)
        except OSError as error:
            pass_on(error)
            failures.append(error)
    if any(COUNTED[name] != "descriptors" for name in scopes):
        table.read(first=[pid for scope in scopes.values() for pid in scope.members])
    for name, scope in scopes.items():
        try:
            found.append(_holders_of(name, reading, scope, table))
        except OSError as error:
            pass_on(error)
            failures.append(error)
    if failures and not found:
        raise failures[0]
    return found


def _holders_of(limit: str, reading: Reading, scope: _Scope, table: ProcessTable) -> Holders:
    """Return who holds one limit. Raises OSError."""
    kind, usage = COUNTED[limit], reading.usage(limit)
    if kind == "descriptors":
        every = _descriptors(reading.pid, table)
    else:
        seen = [one for one in table.processes.values() if scope.counts(one)]
        every = _holders(seen, table, is_tasks=kind == "tasks")
    top, others = _largest(every)
    used, seen_amount = usage.current or 0, _sum(top) + others
    return Holders(
        time=time.time(),
        limit=limit,
        used=used,
        most=usage.limit if isinstance(usage.limit, int) else 0,
        scope=scope.title,
        top=tuple(top),
        others=others,
        unseen=max(0, used - seen_amount),
    )


def _sum(holders: Iterable[LimitHolder]) -> int:
    return sum(holder.amount for holder in holders)


def _scope(limit: str, reading: Reading) -> _Scope:
    """Return whose use counts against ``limit``. Raises OSError."""
    if limit in _CONTROLLERS:
        folder, pids = _members(limit, reading.pid)
        return _Scope(folder, lambda one: (one.parent if one.is_zombie else one.pid) in pids, pids)
    if limit == "nproc":
        uid = reading.uid
        return _Scope(f"user {uid}", lambda one: one.uid == uid)
    if COUNTED[limit] == "descriptors":
        return _Scope(f"process {reading.pid}", lambda one: one.pid == reading.pid)
    return _Scope("host", lambda _: True)


def _members(limit: str, pid: int) -> tuple[str, Collection[int]]:
    """Return the cgroup whose limit binds ``pid``, and the processes in it and below. Raises OSError."""
    controller = Controller(_CONTROLLERS[limit], pid=pid)
    try:
        folder = controller.read().folder
        return (folder or "", frozenset(_pids_below(controller.place(folder or "/"))))
    finally:
        controller.close()


def _pids_below(top: str) -> Iterator[int]:
    waiting, looked_at = [top], 0
    while waiting and looked_at < MOST_CGROUPS:
        folder = waiting.pop()
        looked_at += 1
        try:
            # Where the process has put something else in its place, in a root of its own, nothing is waited for.
            with open(os.path.join(folder, "cgroup.procs"), "rb", opener=_without_waiting) as file:
                # A process of another PID namespace is a 0.
                yield from (pid for word in file.read().split() if (pid := int(word)))
            waiting += [one.path for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)]
        except (OSError, ValueError) as error:  # it is gone, or its threads are in several (v2)
            pass_on(error)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _holders(
    seen: Sequence[SeenProcess], table: ProcessTable, *, is_tasks: bool
) -> list[LimitHolder]:
    """Put what was seen together: this run, the zombies of each parent, and processes of one name."""
    zombies: Counter[int] = Counter()
    of_run: list[SeenProcess] = []
    of_kernel = 0
    programs: list[SeenProcess] = []
    for one in seen:
        if one.pid in table.run:
            of_run.append(one)
        elif one.is_zombie:
            zombies[one.parent] += 1
        elif one.is_of_kernel:
            of_kernel += one.tasks
        else:
            programs.append(one)
    found = list(_programs(programs, table, is_tasks=is_tasks))
    run = sum(one.tasks if is_tasks else one.rss_bytes for one in of_run)
    found.append(LimitHolder(kind=HolderKind.RUN, amount=run, processes=len(of_run)))
    if not is_tasks:
        return found
    found[-1] = _with_zombies(found[-1], of_run, table)
    if of_kernel:
        found.append(LimitHolder(kind=HolderKind.KERNEL, amount=of_kernel))
    for parent, count in zombies.items():
        name = table.name(parent)
        found.append(
            LimitHolder(
                kind=HolderKind.ZOMBIES, amount=count, name=name, pid=parent, processes=count
            )
        )
    return found


def _programs(
    processes: Sequence[SeenProcess], table: ProcessTable, *, is_tasks: bool
) -> Iterator[LimitHolder]:
    def amount(one: SeenProcess) -> int:
        return one.tasks if is_tasks else one.rss_bytes

    by_name: dict[tuple[str, int], list[SeenProcess]] = {}
    for place, one in enumerate(sorted(processes, key=amount, reverse=True)):
        name = table.name(one.pid) if place < MOST_NAMED else clean_name(one.comm)
        # What an interpreter is given as an argument has no name of its own: only siblings are alike.
        by_name.setdefault((name, one.parent if name.endswith(" -c") else 0), []).append(one)
    for (name, _), alike in by_name.items():
        yield LimitHolder(
            kind=HolderKind.PROGRAM,
            amount=sum(map(amount, alike)),
            name=name,
            pid=alike[0].pid,
            processes=len(alike),
        )


def _with_zombies(
    run: LimitHolder, of_run: Iterable[SeenProcess], table: ProcessTable
) -> LimitHolder:
    parents = Counter(one.parent for one in of_run if one.is_zombie)
    if not parents:
        return run
    parent = max(parents, key=lambda pid: parents[pid])
    return replace(run, zombies=parents.total(), name=table.name(parent), pid=parent)


def _descriptors(pid: int, table: ProcessTable) -> list[LimitHolder]:
    """Return what the descriptors of ``pid`` are, as far as the time allows. Raises OSError."""
    folder = f"/proc/{pid}/fd"
    counts: Counter[str] = Counter()
    for number in list_folder(folder, Buffer(BUFFER_BYTES)):
        if table.is_out_of_time():
            break
        try:
            counts[_short(descriptor_name(os.readlink(f"{folder}/{number}")))] += 1
        except OSError as error:  # it has just been closed
            pass_on(error)
    return [
        LimitHolder(kind=HolderKind.DESCRIPTORS, amount=count, name=name)
        for name, count in counts.items()
    ]


def _short(name: str) -> str:
    """Return the end of a long path, which says more than its begin."""
    kept = name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
    return clean_name(kept.encode(errors="replace").decode())


def _largest(holders: Iterable[LimitHolder]) -> tuple[list[LimitHolder], int]:
    """Return the KEPT largest and this run, the largest first, and what the others hold."""
    ordered = sorted(holders, key=lambda holder: -holder.amount)
    kept = [holder for holder in ordered if holder.kind != HolderKind.RUN][:KEPT]
    top = [holder for holder in ordered if holder.kind == HolderKind.RUN or holder in kept]
    return top, _sum(ordered) - _sum(top)
