"""From a journal to processes and their labelled samples.

Owns what a reading, and the runner's word of an end, add to a process. It must not judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.evidence import refused_to_the_end
from analyzer.log_table import Process, Sample, Source, Table
from analyzer.signatures import CAUSES_OF_SIGNAL, Crash
from telemetry.errors import InputError
from telemetry.journal import Event, JournalFollower
from telemetry.reading import USED_BY_CEILING, Reading, latest_known
from telemetry.thread_log import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

CEILING_OF: Mapping[str, str] = {
    "cgroup_pids": "pids_cgroup",
    "maps": "max_map_count",
    "rss_bytes": "cgroup_memory",
}
"""The ceiling that limits a resource; the threads of one process have none of their own."""
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
    for number, record in enumerate(records, start=1):
        key = None
        if isinstance(record, Reading):
            key = (record.pid, record.start_ticks)
        elif isinstance(record, Event) and _may_be_crash(record) and record.pid not in latest:
            key = (record.pid, None)
        if key is not None and key not in processes:
            process = Process(source=path, group=group or path, pid=key[0])
            latest[key[0]] = processes[key] = process
        if isinstance(record, Reading):
            _add_reading(processes[record.pid, record.start_ticks], record, number)
            source.samples += 1
        elif isinstance(record, Event) and record.name == "exited" and record.pid in latest:
            _note_exit(latest[record.pid], record)
    return Table([source], list(processes.values()))


def _add_reading(process: Process, reading: Reading, number: int) -> None:
    process.first_readings.setdefault(reading.cgroup, reading)
    if reading.label is not None:
        _note_counters(process, reading)
    process.last_reading = latest_known(process.last_reading, reading)
    for ceiling in USED_BY_CEILING:
        ratio = reading.usage(ceiling).ratio
        before = process.fullest.get(ceiling)
        if ratio is not None and (before is None or ratio >= (before.usage(ceiling).ratio or 0)):
            process.fullest[ceiling] = reading
    values = {
        "threads": reading.threads,
        "cgroup_pids": reading.cgroup_pids,
        "maps": reading.maps,
        "rss_bytes": reading.rss_bytes,
    }
    if reading.label is None:
        process.note_peaks(values)
        return
    process.note_peaks({name: reading.peaks.get(name) for name in values})
    process.add(
        Sample(
            line=number,
            time=reading.time,
            label=Label(reading.label, reading.fold, reading.folds, reading.stage or ""),
            values=values,
            limits={name: reading.usage(ceiling).limit for name, ceiling in CEILING_OF.items()},
            pools=reading.pools,
        )
    )


def _note_counters(process: Process, reading: Reading) -> None:
    known = process.counted.setdefault(reading.cgroup, [])
    if not known or any(getattr(known[-1], n) != getattr(reading, n) for n in COUNTERS):
        known.append(reading)


def _may_be_crash(event: Event) -> bool:
    """Whether a process ended in trouble by itself: one that its runner ended did not crash."""
    return (
        event.name == "exited"
        and event.facts.get("exit_code") != 0
        and not event.facts.get("by_runner")
    )


def _note_exit(process: Process, event: Event) -> None:
    """Take the runner's word of how a process ended: by a signal, or with a limit that refused it."""
    process.exit = event
    if not _may_be_crash(event):
        return
    signal, last = event.facts.get("signal"), process.last_reading
    seconds = None if last is None else event.time - last.time
    if isinstance(signal, str):
        process.note_sign(
            Crash(
                signature="ended_by_signal",
                line=None,
                text=f"the process was ended by {signal}",
                signal=signal,
                seconds_after_last_sample=seconds,
                causes=CAUSES_OF_SIGNAL.get(signal, ("not_a_limit",)),
                is_secondary=signal != "SIGKILL",  # what a message explains; none explains SIGKILL
            )
        )
    elif causes := refused_to_the_end(process):
        code = event.facts.get("exit_code")
        process.note_sign(
            Crash(
                signature="ended_at_a_limit",
                line=None,
                text=f"the process exited with {code}, and the kernel had counted a refusal or a kill",
                seconds_after_last_sample=seconds,
                causes=causes,
            )
        )
