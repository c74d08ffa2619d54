"""The journal: both directions, torn ends, two writers, and kill -9."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.journal.follower import JournalFollower
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import Event, Header, decode, encode
from telemetry.journal.typed import MOST_VALUES
from telemetry.journal.writer import JournalWriter
from telemetry.limits import USED_BY
from telemetry.reading import (
    CHILDREN_KEPT,
    LONGEST_ROLE,
    OWN_LIMITS,
    ChildUsage,
    GpuUsage,
    LimitState,
    Reading,
)
from tests.support.builders import reading as built
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = [part.name for part in fields(Reading) if part.type == "int | None"]
COUNTS = st.none() | st.dictionaries(st.text(max_size=9), st.integers(0, 9), min_size=1, max_size=2)
gpus = st.builds(
    GpuUsage,
    gpu=st.text(max_size=3),
    used_bytes=st.none() | st.integers(0, 2**40),
    utilization_ratio=st.none() | st.floats(0, 1),
)
children = st.builds(
    ChildUsage,
    pid=st.integers(0, 2**22),
    start_ticks=st.none() | st.integers(0, 2**40),
    role=st.text(st.characters(categories=["L", "N"]), max_size=LONGEST_ROLE),
    maps=st.none() | st.integers(0, 2**40),
    limits=st.dictionaries(
        st.sampled_from(OWN_LIMITS), st.integers(0, 2**63 - 1) | st.sampled_from(LimitState)
    ),
)
readings = st.builds(
    lambda time, pid, label, numbers, **more: Reading(
        time=time, pid=pid, label=label, stage=label, **numbers, **more
    ),
    st.floats(0, 2e9),
    st.integers(1, 2**22),
    st.none() | st.text(max_size=30),
    st.fixed_dictionaries({}, optional=dict.fromkeys(NUMBERS, st.integers(0, 2**63 - 1))),
    limits=st.dictionaries(
        st.sampled_from(list(USED_BY)), st.integers(0, 2**63 - 1) | st.sampled_from(LimitState)
    ),
    errors=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=2),
    pools=COUNTS,
    map_kinds=COUNTS,
    pressure_seconds=COUNTS,
    peaks=COUNTS.map(lambda counts: counts or {}),
    gpus=st.none() | st.lists(gpus, max_size=2).map(tuple),
    children=st.none() | st.lists(children, max_size=CHILDREN_KEPT).map(tuple),
    cpu_seconds=st.none() | st.floats(0, 1e9),
    is_exempt_from_nproc=st.none() | st.booleans(),
)


@pytest.mark.slow
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


HEADER = (
    b'{"kind":"header","schema":1,"time":1,"pid":7,"start_ticks":5,"host":"a","boot_id":"x",'
    b'"argv":[],"versions":{},"environment":{},"ceilings":[],"rank":""}'
)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[1]",
        b'{"kind":"sample"}',
        b'{"kind":"sample","time":1,"pid":"x"}',
        b'{"kind":"sample","time":1,"pid":1,"threads":true}',
        b'{"kind":"sample","time":1,"pid":1,"limits":{"nproc":"often"}}',
        b'{"kind":"sample","time":1,"pid":1,"limits":3}',
        b'{"kind":"header","schema":9}',
        *(HEADER.replace(b"[]", argv) for argv in (b"[1]", b'"a"', b"null", b"[[]]", b"{}")),
        b'{"kind":"surprise"}',
        b"[" * 100_000,
    ],
)
def test_a_broken_record_is_refused(line: bytes) -> None:
    """Each with a reason; the header is none before its command line is broken."""
    decode(HEADER)
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
        with pytest.raises(OSError, match="File too large"):
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


@pytest.mark.parametrize("attempt", range(10))
def test_kill_9_loses_no_checkpoint_that_returned(tmp_path: Path, attempt: int) -> None:
    """At a random moment of a tight loop, with the timer running beside it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scripts.recorder_cases", "endless", str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
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


def labels(records: list[Header | Reading | Event]) -> list[str | None]:
    return [record.label for record in records if isinstance(record, Reading)]


def lines(*names: str, start: float = 0.0) -> bytes:
    return b"".join(
        encode(Reading(time=start + number, pid=1, label=name, stage=name))
        for number, name in enumerate(names)
    )


def replaced(path: Path, content: bytes) -> None:
    """Put a new file there; where the old one is deleted first, it often has the same inode."""
    path.unlink()
    path.write_bytes(content)


def cut(path: Path, content: bytes) -> None:
    """Truncate and write, as logrotate's copytruncate does."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)


@pytest.mark.parametrize("anew", [replaced, cut])
@pytest.mark.parametrize("names", [("c",), ("c", "d", "e", "f")])
def test_a_journal_that_begins_anew_is_read_from_its_start(
    tmp_path: Path, anew: Callable[[Path, bytes], None], names: tuple[str, ...]
) -> None:
    """Whether it is shorter than what was read or longer, and whatever its inode."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(lines("a", "b"))
    follower = JournalFollower(str(path))
    assert labels(follower.poll()) == ["a", "b"]
    anew(path, lines(*names, start=50.0))
    assert labels(follower.poll()) == list(names)
    assert follower.restarts == 1


def test_a_journal_that_is_gone_for_a_while_is_read_anew(tmp_path: Path) -> None:
    """As a run's is that is set aside for the next one; moving the same file back counts as anew."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(lines("a"))
    follower = JournalFollower(str(path))
    assert labels(follower.poll()) == ["a"]
    path.rename(tmp_path / "aside")
    assert follower.poll() == []
    path.write_bytes(lines("b"))
    assert labels(follower.poll()) == ["b"]
    path.unlink()
    assert follower.poll() == []
    (tmp_path / "aside").rename(path)
    assert labels(follower.poll()) == ["a"]
    path.rename(tmp_path / "aside")
    assert follower.poll() == []
    (tmp_path / "aside").rename(path)
    assert labels(follower.poll()) == ["a"]


def test_a_journal_that_only_grows_is_never_read_twice(tmp_path: Path) -> None:
    """Also where it is shorter than the bytes that a file is known by."""
    path = tmp_path / "journal.jsonl"
    follower = JournalFollower(str(path))
    found = []
    content = lines(*"abcdefgh")
    for end in range(1, len(content) + 1, 7):
        path.write_bytes(content[:end])
        found += follower.poll()
    path.write_bytes(content)
    while records := follower.poll():
        found += records
    assert labels(found) == list("abcdefgh")
    assert follower.restarts == 0
    assert follower.skipped == []


@pytest.mark.slow
def test_reading_stops_when_its_time_is_over(tmp_path: Path) -> None:
    """The rest comes with the next polls, in order and whole."""
    path = tmp_path / "journal.jsonl"
    names = [f"step {n}" for n in range(20_000)]
    path.write_bytes(lines(*names))
    follower = JournalFollower(str(path))
    assert follower.poll(until=time.monotonic()) == []
    first = follower.poll(until=time.monotonic() + 0.001)
    assert 0 < len(first) < 20_000
    assert labels(first + follower.poll()) == names


@pytest.mark.parametrize(
    ("filler", "times"),
    [(b"x", 2**26), (b"\0", 2**26), pytest.param(b"{}\n", 50_000, marks=pytest.mark.slow)],
)
def test_rubbish_costs_bounded_memory(tmp_path: Path, filler: bytes, times: int) -> None:
    """One endless line, a hole, or many short ones; what follows is read, all of it is counted."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(filler * times + b"\n" + lines("after"))
    follower = JournalFollower(str(path))
    tracemalloc.start()
    assert labels(follower.poll()) == ["after"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 * 2**20
    assert len(follower.skipped) + follower.more_skipped == (times if filler == b"{}\n" else 1)
    assert len(follower.skipped) <= 1000


@pytest.mark.parametrize(
    "content",
    [
        '"time":1e999',
        '"time":1e308',
        '"time":1,"cpu_seconds":1e999',
        '"time":1,"pools":{"a":1e999}',
        '"time":1,"pools":{"a":[]}',
        '"time":1,"gpus":[{"gpu":"0","used_bytes":"many"}]',
        '"time":1,"gpus":[{"used_bytes":1}]',
        '"time":1,"gpus":[{"gpu":"0","utilization_ratio":1e999}]',
        '"time":1,"children":{"pid":1,"role":"r"}',
        '"time":1,"children":[{"pid":1}]',
        '"time":1,"children":[{"pid":-1,"role":"r"}]',
        '"time":1,"children":[{"pid":1,"role":"r","maps":1e999}]',
        '"time":1,"children":[{"pid":1,"role":"r","limits":{"open_files":"many"}}]',
        '"time":1,"threads":' + "9" * 400,
    ],
)
def test_a_number_that_no_kernel_says_is_refused(content: str) -> None:
    """It would break whoever shows it: JSON has no infinity, a calendar no such year, and a chart no list."""
    with pytest.raises(ValueError, match=r"\w"):
        decode(f'{{"kind":"sample","pid":1,{content}}}'.encode())


def test_children_beyond_what_is_ever_written_are_left_out_and_roles_are_short() -> None:
    """Each is ten series and a row of the page, and its role is another program's word."""
    one = '{"pid":1,"role":"a\\n' + "x" * 500 + '"}'
    found = decode(
        f'{{"kind":"sample","time":1,"pid":1,"children":[{",".join([one] * 500)}]}}'.encode()
    )
    assert isinstance(found, Reading)
    assert found.children is not None
    assert len(found.children) == CHILDREN_KEPT
    assert {child.role for child in found.children} == {"a?" + "x" * (LONGEST_ROLE - 2)}


@pytest.mark.parametrize("value", ["9" * 400, "-1", "0.5", '["x"]'])
@pytest.mark.parametrize("name", ["oom_kills", "pids_limit_hits", "oom_kills_before"])
def test_an_event_s_counter_that_no_kernel_says_is_refused(name: str, value: str) -> None:
    """Prometheus reads no number of 400 digits, nor what stands behind it."""
    with pytest.raises(ValueError, match=name):
        decode(f'{{"kind":"event","time":1,"pid":1,"name":"exited","{name}":{value}}}'.encode())


@pytest.mark.parametrize("facts", [{"rows": [1, 2]}, {"limit": "shares", "top": "Ada"}])
def test_an_event_of_the_training_may_be_named_holders(facts: dict[str, Any]) -> None:
    """Who holds a limit is told from it by its form."""
    event = Event(time=7.0, pid=7, name="holders", facts=facts)
    assert decode(encode(event)) == event
    with pytest.raises(ValueError, match=r"holder|missing"):
        holders_of(facts, time=7.0)


def test_a_header_of_an_earlier_version_has_no_rank() -> None:
    """And is read all the same."""
    header = Header(
        time=1.0,
        pid=2,
        start_ticks=3,
        host="h",
        boot_id=None,
        argv=(),
        versions={},
        environment={},
        ceilings=(),
    )
    content = json.loads(encode(header))
    names = {"rank", "local_rank", "world_size", "rank_origin"}
    known = {name: value for name, value in content.items() if name not in names}
    assert len(content) == len(known) + 4
    decoded = decode(json.dumps(known).encode())
    assert isinstance(decoded, Header)
    assert decoded.rank == ""


def test_a_journal_that_is_cut_in_its_middle_is_read_anew(tmp_path: Path) -> None:
    """What is left of it begins as before; what is written then must not be taken for its end."""
    path = tmp_path / "journal.jsonl"
    first = lines("a" * 400)
    path.write_bytes(first + lines("b", "c", "d"))
    follower = JournalFollower(str(path))
    follower.poll()
    path.write_bytes(first)
    assert labels(follower.poll()) == ["a" * 400]
    assert follower.restarts == 1


def test_a_hole_of_any_size_is_passed_over_and_counted(tmp_path: Path) -> None:
    """It takes no disk to make one, and would take an hour to read."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(encode(built(1, 1.0)))
    os.truncate(path, 2**42)
    with path.open("ab") as file:
        file.write(b"\n" + encode(built(1, 2.0)))
    follower = JournalFollower(str(path))
    assert [record.time for record in follower.finish()] == [1.0, 2.0]
    assert "a hole of" in follower.skipped[0].reason


def test_a_record_that_no_reader_takes_is_not_written(tmp_path: Path) -> None:
    """Its length is said; the next one is written."""
    writer = JournalWriter(str(tmp_path / "journal.jsonl"))
    with pytest.raises(OSError, match="too long"):
        writer.write(Event(time=1.0, pid=1, name="e", facts={"a": "x" * 2**23}))
    writer.write(Event(time=2.0, pid=1, name="e"))
    follower = JournalFollower(writer.path)
    assert [record.time for record in follower.finish()] == [2.0]
    assert follower.skipped == []
    writer.close()


def test_a_record_of_too_many_values_is_neither_written_nor_decoded(tmp_path: Path) -> None:
    """Decoding is done in one go, in which no other thread runs; a long argument full of commas is no such record."""
    writer = JournalWriter(str(tmp_path / "journal.jsonl"))
    with pytest.raises(OSError, match="more than 131,072 values"):
        writer.write(Event(time=1.0, pid=1, name="e", facts={"a": [[]] * MOST_VALUES}))
    writer.write(Event(time=2.0, pid=1, name="e", facts={"a": "1," * 2**16}))
    with open(writer.path, "ab") as file:
        file.write(b'{"kind":"event","time":3,"pid":1,"name":"e","a":[%b1]}\n' % (b"{}," * 2**17))
    follower = JournalFollower(writer.path)
    assert [record.time for record in follower.finish()] == [2.0]
    assert [line.reason for line in follower.skipped] == ["more than 131,072 values"]
    writer.close()


def test_what_is_there_can_be_passed_over(tmp_path: Path) -> None:
    """Records of an earlier run are not this one's."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(encode(built(1, 1.0)))
    follower = JournalFollower(str(path))
    follower.skip()
    assert follower.poll() == []
    with path.open("ab") as file:
        file.write(encode(built(1, 2.0)))
    assert [record.time for record in follower.poll()] == [2.0]
