"""From a journal to processes and their labelled readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.processes.checkpoints import Checkpoint
from analyzer.processes.from_log import Process, Source, Table
from analyzer.resources import RESOURCES
from analyzer.signatures.search import raised_match
from telemetry.errors import InputError
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event, Header
from telemetry.limits import USED_BY
from telemetry.reading import Reading, latest_known
from telemetry.thread_line import Label

if TYPE_CHECKING:
    from telemetry.reading import Limit

COUNTERS = ("pids_limit_hits", "oom_kills")


def read_journal(path: str, *, group: str | None = None) -> Table:
    """Read a journal. Raises InputError where it is empty, or holds not one record."""
    follower = JournalFollower(path)
    records = follower.finish()
    source = Source(
        path=path,
        lines=follower.lines,
        skipped=follower.skipped,
        more_skipped=follower.more_skipped,
    )
    if not records:
        raise InputError(f"{path}: no record of a journal in it")
    processes: dict[tuple[int, int | None], Process] = {}
    latest: dict[int, Process] = {}
    headers: dict[int, Header] = {}
    for number, record in enumerate(records, start=1):
        key = None
        if isinstance(record, Reading):
            key = (record.pid, record.start_ticks)
        elif isinstance(record, Event) and may_be_crash(record) and record.pid not in latest:
            key = (record.pid, None)
        if isinstance(record, Header):
            headers[record.pid] = record
        if key is not None and key not in processes:
            header = headers.get(key[0])
            process = Process(source=path, group=group or path, pid=key[0], header=header)
            latest[key[0]] = processes[key] = process
        if isinstance(record, Reading):
            _add_reading(processes[record.pid, record.start_ticks], record, number)
            source.checkpoints += 1
        elif isinstance(record, Event) and record.pid in latest:
            _take_event(latest[record.pid], record)
    return Table([source], list(processes.values()))


def _add_reading(process: Process, reading: Reading, number: int) -> None:
    process.first_readings.setdefault(reading.cgroup, reading)
    if reading.label is not None:
        _note_counters(process, reading)
    process.last_reading = latest_known(process.last_reading, reading)
    for name in USED_BY:
        ratio = reading.usage(name).ratio
        before = process.fullest.get(name)
        if ratio is not None and (before is None or ratio >= (before.usage(name).ratio or 0)):
            process.fullest[name] = reading
    values = {name: getattr(reading, name) for name in RESOURCES}
    values["cgroup_memory_bytes"] = _held(reading)
    sample = Checkpoint(
        line=number,
        time=reading.time,
        label=Label(reading.label or "", reading.fold, reading.folds, reading.stage or ""),
        values=values,
        limits={
            name: _limit(reading, resource.limit, resource.host_limit)
            for name, resource in RESOURCES.items()
            if resource.limit is not None
        },
        pools=None if reading.label is None else reading.pools,
    )
    process.samples.append(sample)
    if reading.label is None:
        process.note_peaks(values)
        return
    process.note_peaks({name: reading.peaks.get(name) for name in values})
    process.add(sample)


def _limit(reading: Reading, name: str, of_host: str | None) -> Limit:
    """Return the lower one of a limit and the host's; what is known of the former where neither is a number."""
    limit, hosts = reading.usage(name).limit, reading.limits.get(of_host or "")
    return min((one for one in (limit, hosts) if isinstance(one, int)), default=limit)


def _held(reading: Reading) -> int | None:
    """Return the cgroup's memory without the page cache that the kernel takes back before it kills.

    None where the cgroup has no limit: then it is the host's, and other programs are in it. Between
    labels a reading may leave the page cache out, and what is held is not known.
    """
    is_limited = isinstance(reading.usage("cgroup_memory").limit, int)
    cache = reading.cgroup_memory_reclaimable_bytes
    if reading.cgroup_memory_bytes is None or not is_limited:
        return None
    if cache is None and reading.label is None:
        return None
    return reading.cgroup_memory_bytes - (cache or 0)


def _take_event(process: Process, event: Event) -> None:
    if event.name == "exited":
        process.exit = event
    elif event.name == "raised":
        process.note_match(raised_match(event.facts))
    elif event.name == "interpreter_ended":
        process.interpreter_ended = True


def _note_counters(process: Process, reading: Reading) -> None:
    known = process.counted.setdefault(reading.cgroup, [])
    if not known or any(getattr(known[-1], n) != getattr(reading, n) for n in COUNTERS):
        known.append(reading)


def may_be_crash(event: Event) -> bool:
    """Whether a process ended in trouble by itself: one that its runner ended did not crash."""
    return (
        event.name == "exited"
        and event.facts.get("exit_code") != 0
        and not event.facts.get("by_runner")
    )
