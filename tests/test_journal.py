"""The journal: both directions, torn ends, two writers, and kill -9."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.journal import (
    Event,
    Header,
    JournalFollower,
    JournalWriter,
    decode,
    encode,
)
from telemetry.reading import USED_BY_CEILING, GpuUsage, LimitState, Reading
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [part.name for part in fields(Reading) if part.type == "int | None"]
COUNTS = st.none() | st.dictionaries(st.text(max_size=9), st.integers(0, 9), min_size=1, max_size=2)
gpus = st.builds(
    GpuUsage,
    gpu=st.text(max_size=3),
    used_bytes=st.none() | st.integers(0, 2**40),
    utilization_ratio=st.none() | st.floats(0, 1),
)
readings = st.builds(
    lambda time, pid, label, numbers, **more: Reading(
        time=time, pid=pid, label=label, stage=label, **numbers, **more
    ),
    st.floats(0, 2e9),
    st.integers(1, 2**22),
    st.none() | st.text(max_size=30),
    st.fixed_dictionaries({}, optional=dict.fromkeys(NUMBERS, st.integers(0, 2**63))),
    limits=st.dictionaries(
        st.sampled_from(list(USED_BY_CEILING)), st.integers(0, 2**63) | st.sampled_from(LimitState)
    ),
    errors=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=2),
    pools=COUNTS,
    map_kinds=COUNTS,
    pressure_seconds=COUNTS,
    peaks=COUNTS.map(lambda counts: counts or {}),
    gpus=st.none() | st.lists(gpus, max_size=2).map(tuple),
    cpu_seconds=st.none() | st.floats(0, 1e9),
    is_exempt_from_nproc=st.none() | st.booleans(),
)


@given(readings)
def test_a_reading_comes_back_as_it_was_written(reading: Reading) -> None:
    """Whatever its label holds, in one line; absent stays absent and 0 stays 0."""
    line = encode(reading)
    assert line.count(b"\n") == 1
    assert decode(line) == reading


def test_headers_and_events_come_back() -> None:
    """The other two kinds."""
    header = Header(
        time=1.0,
        pid=2,
        start_ticks=3,
        host="h",
        boot_id=None,
        argv=("a", "b"),
        versions={},
        environment={},
        ceilings=(),
    )
    event = Event(time=1.0, pid=2, name="exited", facts={"exit_code": 137, "signal": "SIGKILL"})
    decoded = decode(encode(header))
    assert isinstance(decoded, Header)
    assert tuple(decoded.argv) == ("a", "b")
    assert decode(encode(event)) == event


@given(st.binary(max_size=80))
def test_rubbish_is_refused_with_one_kind_of_error(line: bytes) -> None:
    """ValueError and nothing else."""
    try:
        decode(line)
    except ValueError:
        return


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[1]",
        b'{"kind":"sample"}',
        b'{"kind":"sample","time":1,"pid":"x"}',
        b'{"kind":"sample","time":1,"pid":1,"threads":true}',
        b'{"kind":"sample","time":1,"pid":1,"limits":{"a":"often"}}',
        b'{"kind":"sample","time":1,"pid":1,"limits":3}',
        b'{"kind":"header","schema":9}',
        b'{"kind":"surprise"}',
        b"[" * 100_000,
    ],
)
def test_a_broken_record_is_refused(line: bytes) -> None:
    """Each with a reason."""
    with pytest.raises(ValueError, match=r"\w"):
        decode(line)


def test_a_torn_last_line_waits_and_is_counted_at_the_end(tmp_path: Path) -> None:
    """A follower takes whole lines only; the end of a crashed file is skipped with its number."""
    path = tmp_path / "journal.jsonl"
    follower = JournalFollower(str(path))
    assert follower.poll() == []
    whole = encode(Reading(time=1.0, pid=1))
    path.write_bytes(whole + whole[:10])
    assert len(follower.poll()) == 1
    assert follower.poll() == []
    with path.open("ab") as file:
        file.write(whole[10:] + b"rubbish\n" + whole[:5])
    assert len(follower.poll()) == 1
    assert follower.finish() == []
    assert [skipped.line for skipped in follower.skipped] == [3, 4]


def test_a_record_behind_a_torn_one_starts_a_line_of_its_own(tmp_path: Path) -> None:
    """A full disk tears a record; the next one must not be lost with it."""
    path = tmp_path / "journal.jsonl"
    writer = JournalWriter(str(path))
    writer.write(Reading(time=1.0, pid=1))
    limit = resource_limit(path.stat().st_size + 10)
    try:
        with pytest.raises(OSError, match=r"bytes written|File too large"):
            writer.write(Reading(time=2.0, pid=1))
    finally:
        resource_limit(limit)
    writer.write(Reading(time=3.0, pid=1))
    writer.close()
    follower = JournalFollower(str(path))
    assert [record.time for record in follower.finish()] == [1.0, 3.0]
    assert len(follower.skipped) == 1


def resource_limit(size: int) -> int:
    """Set RLIMIT_FSIZE, as real as a full disk, and return what it was."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    return before


WRITER = """
import sys, telemetry
telemetry.start(run_dir=sys.argv[1], interval=0.001, lines=open('/dev/null', 'w'))
number = 0
while True:
    telemetry.checkpoint(f"step {number}")
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("attempt", range(10))
def test_kill_9_loses_no_checkpoint_that_returned(tmp_path: Path, attempt: int) -> None:
    """At a random moment of a tight loop, with the timer running beside it."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(random.Random(attempt).uniform(0, 0.05))
    process.kill()
    returned = int(([first, *process.stdout.read().split(b"\n")[:-1]])[-1])
    process.stdout.close()
    process.wait()
    follower = JournalFollower(str(tmp_path / "journal.jsonl"))
    labels = {r.label for r in follower.finish() if isinstance(r, Reading) and r.label}
    assert labels >= {f"step {number}" for number in range(returned + 1)}
    assert len(follower.skipped) <= 1


def test_two_writers_tear_no_record(tmp_path: Path) -> None:
    """The process and its runner append to one file at once."""
    path = str(tmp_path / "journal.jsonl")
    children = []
    for pid in (1, 2, 3):
        child = os.fork()
        if child == 0:
            writer = JournalWriter(path)
            for _ in range(300):
                writer.write(Reading(time=1.0, pid=pid, label="x" * 500, stage="y"))
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    follower = JournalFollower(path)
    assert len(follower.finish()) == 900
    assert follower.skipped == []
