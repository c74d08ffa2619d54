"""Wrapped logs are read as the logs they wrap, and the processes in one log are told apart."""

from __future__ import annotations

import gzip
import io
import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.logs.line_prefixes import unwrap
from analyzer.processes.from_log import Process, read_log
from tests.support.paths import INCIDENT, RETAINED

if TYPE_CHECKING:
    from collections.abc import Callable

STAMP = "2026-11-24T08:15:30.123456789Z"
LINE = "[THREADS] Fold {}/3 START: proc={}, cgroup=9/7680, maps={}/65530, rss=620MB"


def docker(line: str) -> str:
    return json.dumps(
        {"log": line + "\n", "stream": "stdout", "time": STAMP}, separators=(",", ":")
    )


WRAPPERS: dict[str, Callable[[str], str]] = {
    "docker": docker,
    "docker, not escaped": lambda line: docker(line).encode().decode(),
    "cri": lambda line: f"{STAMP} stdout F {line}",
    "kubectl": lambda line: f"[pod/train-0/main] {line}",
    "compose": lambda line: f"\x1b[36mweb-1  | \x1b[0m{line}",
    "honcho": lambda line: f"08:15:30 web.1  | {line}",
    "syslog": lambda line: f"Nov 24 08:15:30 node-3 python[12]: {line}",
    "short-precise": lambda line: f"Nov 24 08:15:30.123456 node-3 python[12]: {line}",
    "short-full": lambda line: f"Tue 2026-11-24 08:15:30 UTC node-3 python[12]: {line}",
    "RFC 5424": lambda line: f'<13>1 {STAMP} node-3 python 12 - [a@1 b="c"] {line}',
    "srun": lambda line: f" 0: {line}",
    "MPICH": lambda line: f"[0] {line}",
    "torchrun, a role": lambda line: f"[trainer0]:{line}",
    "journalctl": lambda line: f"2026-11-24T08:15:30+0000 node-3 python[12]: {line}",
    "dmesg": lambda line: f"[12345.678901] {line}",
    "dmesg -T": lambda line: f"[Tue Nov 24 08:15:30 2026] {line}",
    "torchrun": lambda line: f"[default0]:{line}",
    "rank": lambda line: f"[rank0]: {line}",
    "mpirun": lambda line: f"[1,0]<stderr>: {line}",
    "horovod": lambda line: f"Tue Nov 24 08:15:30 2026[1,0]<stdout>:{line}",
    "ray": lambda line: f"\x1b[36m(RayTrainWorker pid=12, ip=10.0.0.7)\x1b[0m {line}",
    "pdsh": lambda line: f"10.0.0.7: {line}",
    "stamp": lambda line: f"{STAMP} {line}",
    "GitHub": lambda line: f"2026-11-24T08:15:30.1234567Z {line}",
    "GitLab": lambda line: f"2026-11-24T08:15:30.123456Z 00O {line}",
    "TeamCity": lambda line: f"[08:15:30]i:\t [Step 1/2] {line}",
    "Jenkins": lambda line: f"[2026-11-24T08:15:30.123Z] {line}",
}
OUTERMOST = ("docker", "docker, not escaped", "cri")
"""What a runtime writes stands around everything else."""


def table(text: str) -> list[dict[str, object]]:
    return [summary(process) for process in read_log("x", io.BytesIO(text.encode())).processes]


def summary(process: Process) -> dict[str, object]:
    crash = process.crash
    samples = [
        (s.line, s.label.text, s.label.fold, s.values, s.limits) for s in process.checkpoints
    ]
    return {
        "samples": samples,
        "crash": None
        if crash is None
        else (crash.signature, crash.line, crash.thread, crash.errno),
        "survived": list(process.recovered),
    }


def read(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


LOGS = {path: read(path) for path in (INCIDENT, RETAINED)}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_log_is_read_as_the_log(wrapper: str) -> None:
    """Two real logs, with their bars, in each of the wrappings."""
    for lines in LOGS.values():
        wrapped = "\n".join(map(WRAPPERS[wrapper], lines)) + "\n"
        assert table(wrapped) == table("\n".join(lines) + "\n")


@pytest.mark.parametrize(("before", "behind"), [("[", ""), (",", ""), ("", ","), ("", "")])
def test_a_line_of_kaggles_array_is_what_the_stream_wrote(before: str, behind: str) -> None:
    """The array begins in front of the first line; the comma stands before or behind the others."""
    content = json.dumps({"stream_name": "stderr", "time": 12.1, "data": "ValueError: bad\n"})
    assert unwrap(f"{before}{content}{behind}").text == "ValueError: bad"


@given(
    st.sampled_from([*WRAPPERS]),
    st.sampled_from([name for name in WRAPPERS if name not in OUTERMOST]),
    st.lists(st.sampled_from(LOGS[INCIDENT]), min_size=1, max_size=12),
)
@settings(max_examples=150)
def test_two_wrappings_are_taken_off_one_after_the_other(
    outer: str, inner: str, lines: list[str]
) -> None:
    """Whatever lines a log has."""
    wrapped = "".join(f"{WRAPPERS[outer](WRAPPERS[inner](line))}\n" for line in lines)
    assert table(wrapped) == table("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", ["docker", "cri"])
@given(st.integers(1, 60), st.integers(0, 3))
@settings(max_examples=30)
def test_lines_that_a_runtime_cut_are_joined(name: str, size: int, seed: int) -> None:
    """In pieces of any size, the pieces of stdout and stderr between each other."""
    numbers = random.Random(seed)
    queues = {"stdout": [], "stderr": []}  # type: dict[str, list[str]]
    for stream, line in (
        ("stdout", LINE.format(1, 8, 1851)),
        ("stderr", "RuntimeError: can't start new thread"),
    ):
        text = f"{'=' * (17_000 if name == 'docker' else 90)}\r{line}"
        step = 16_384 if name == "docker" else size
        pieces = [text[at : at + step] for at in range(0, len(text), step)]
        for number, piece in enumerate(pieces, start=1):
            is_last = number == len(pieces)
            if name == "cri":
                queues[stream].append(f"{STAMP} {stream} {'F' if is_last else 'P'} {piece}")
            else:
                end = "\n" if is_last else ""
                content = {"log": piece + end, "stream": stream, "time": STAMP}
                queues[stream].append(json.dumps(content, separators=(",", ":")))
    mixed = []
    while any(queues.values()):
        stream = numbers.choice([key for key, value in queues.items() if value])
        mixed.append(queues[stream].pop(0))
    text = "\n".join(mixed) + "\n"
    (process,) = read_log("x", io.BytesIO(text.encode())).processes
    assert len(process.checkpoints) == 1
    matches = {**process.matches, **process.recovered}
    assert list(matches) == ["python_new_thread"]


def test_ranks_in_one_log_are_told_apart() -> None:
    """Two ranks and a pod each have their readings, and the crash is that of the rank that wrote it."""
    lines = [
        f"[rank{rank}]: " + LINE.format(fold, 8 + rank, 1851 + 900 * rank * fold)
        for fold in (1, 2, 3)
        for rank in (0, 1)
    ]
    lines.append("[rank1]: RuntimeError: can't start new thread")
    lines.append("[rank0]: " + LINE.format(3, 8, 1851))
    processes = read_log("x", io.BytesIO("\n".join(lines).encode() + b"\n")).processes
    assert [(p.rank, p.folds, len(p.checkpoints)) for p in processes] == [
        ("rank0", [1, 2, 3], 4),
        ("rank1", [1, 2, 3], 3),
    ]
    assert [process.crash is not None for process in processes] == [False, True]


def test_a_line_of_the_kernel_belongs_to_the_process_before_it() -> None:
    """It has no writer of its own among those that a journal names."""
    head = "Nov 24 08:15:30 node-3 "
    text = f"{head}python[12]: {LINE.format(1, 8, 1851)}\n"
    text += f"{head}kernel: cgroup: fork rejected by pids controller in /docker/ab\n"
    (process,) = read_log("x", io.BytesIO(text.encode())).processes
    assert process.rank == "python[12]"
    assert process.crash is not None


@pytest.mark.parametrize(
    ("line", "text", "writer"),
    [
        ("[pod/a/b] [rank3]: x", "x", "a/b/rank3"),
        ("2026-11-24 08:15:30,123 ERROR E: y", "2026-11-24 08:15:30,123 ERROR E: y", None),
        ("RuntimeError: can't start new thread", "RuntimeError: can't start new thread", None),
        ("ERROR | RuntimeError: z", "ERROR | RuntimeError: z", None),
        ("INFO    | z", "INFO    | z", None),
        (" 50%|███   | 1/2", " 50%|███   | 1/2", None),
        ("[E321 02:07:08.4 file:3] x", "[E321 02:07:08.4 file:3] x", None),
        ("(x) y", "(x) y", None),
        ("2026-11-24T08:15:30.1234567Z Killed", "Killed", None),
        ("2026-11-24T08:15:30.123456Z 01E Killed", "Killed", None),
        ("[2026-11-24T08:15:30.123Z] Killed", "Killed", None),
        ("2026-11-24T08:15:30.123456Z 12 GB", "2026-11-24T08:15:30.123456Z 12 GB", None),
        ("[2026-11-24T08:15:30.123+0000] x", "[2026-11-24T08:15:30.123+0000] x", None),
        ("17 | x", "17 | x", None),
        ("1763971200.123 | x", "1763971200.123 | x", None),
        ("20261124T081530 | x", "20261124T081530 | x", None),
        ("[12/720] x", "[12/720] x", None),
        ("12:00: x", "12:00: x", None),
        ('{"log":"torn', "torn", None),
        ('{"log":5}', '{"log":5}', None),
    ],
)
def test_what_is_no_wrapping_stays(line: str, text: str, writer: str | None) -> None:
    """False alarms first: a level, an error's name, a bar and a list are no process."""
    unwrapped = unwrap(line)
    assert (unwrapped.text, unwrapped.writer) == (text, writer)


def test_a_loop_that_repeats_its_label_is_one_process_and_a_restart_is_another() -> None:
    """Counts that wander do not cut a process; a fall to those of its start does."""
    wandering = [LINE.format(1, 30, 2500 + step % 7 * 40) for step in range(50)]
    restarted = [*wandering, LINE.format(1, 30, 3900), LINE.format(1, 8, 2500)]
    assert len(read_log("x", io.BytesIO("\n".join(wandering).encode())).processes) == 1
    processes = read_log("x", io.BytesIO("\n".join(restarted).encode() + b"\n")).processes
    assert [len(process.checkpoints) for process in processes] == [51, 1]


TURNS = [
    "{}: ",
    "[{}] ",
    "[trainer{}]:",
    "Nov 24 08:15:30.123456 node-3 python[{}]: ",
    "Tue 2026-11-24 08:15:30 UTC node-3 python[{}]: ",
    f"<13>1 {STAMP} node-3 python {{}} - - ",
]


@pytest.mark.parametrize("prefix", TURNS)
def test_ranks_that_take_turns_are_told_apart(prefix: str) -> None:
    """However their launcher or their journal names them: the one that grows is found."""
    lines = [
        prefix.format(rank) + LINE.format(fold, 8, 1851 + 730 * rank * fold)
        for fold in (1, 2, 3)
        for rank in (0, 1)
    ]
    processes = read_log("x", io.BytesIO("\n".join(lines).encode() + b"\n")).processes
    assert [process.folds for process in processes] == [[1, 2, 3], [1, 2, 3]]
    if "python" in prefix:
        assert [process.rank for process in processes] == ["python[0]", "python[1]"]
    assert [process.peaks["maps"] for process in processes] == [1851, 1851 + 3 * 730]


@pytest.mark.parametrize(
    "prefix", ["{}: ", "[{}] ", "[epoch{}]: ", "step{} | ", "{} | ", "1.{} | "]
)
def test_what_counts_lines_is_no_rank(prefix: str) -> None:
    """A number that rises from line to line would hide growth: each line a process of its own."""
    lines = [prefix.format(fold) + LINE.format(fold, 8, 1851 + 730 * fold) for fold in (1, 2, 3)]
    lines.insert(2, prefix.format(9) + "RuntimeError: can't start new thread")
    (process,) = read_log("x", io.BytesIO("\n".join(lines).encode() + b"\n")).processes
    assert (process.rank, process.folds) == (None, [1, 2, 3])
    assert process.crash is None


DATED = {
    "docker": lambda line, stamp: docker(line).replace(STAMP, stamp),
    "cri": lambda line, stamp: f"{stamp} stdout F {line}",
    "journalctl": lambda line, stamp: f"{stamp.replace('Z', '+0000')} node-3 python[12]: {line}",
    "stamp": lambda line, stamp: f"{stamp} {line}",
    "stamp and rank": lambda line, stamp: f"{stamp} [rank0]: {line}",
}  # type: dict[str, Callable[[str, str], str]]


@pytest.mark.parametrize("wrapper", DATED)
def test_the_times_of_the_wrapping_are_those_of_the_readings(wrapper: str) -> None:
    """And say how long after the last one the crash came."""
    stamps = [f"2026-11-24T08:15:{seconds:02}.250000Z" for seconds in (30, 31, 42)]
    lines = [
        LINE.format(1, 8, 1851),
        LINE.format(2, 8, 1851),
        "RuntimeError: can't start new thread",
    ]
    text = "\n".join(map(DATED[wrapper], lines, stamps)) + "\n"
    (process,) = read_log("x", io.BytesIO(text.encode())).processes
    assert [sample.time for sample in process.checkpoints] == [1795508130.25, 1795508131.25]
    assert process.crash is not None
    assert process.crash.seconds_after_last_sample == 11


@pytest.mark.parametrize(
    "first", ["", "Nov 24 08:15:30 node-3 python[12]: ", "2026-11-24 08:15:30 "]
)
def test_a_time_is_never_guessed(first: str) -> None:
    """Not where a year or a zone is missing, nor where one reading has none."""
    text = f"{first}{LINE.format(1, 8, 1851)}\n{STAMP} {LINE.format(2, 8, 1851)}\n"
    processes = read_log("x", io.BytesIO(text.encode())).processes
    assert {sample.time for process in processes for sample in process.checkpoints} == {None}


@pytest.mark.parametrize("first", ["unable to retrieve container logs", 'ng","time":"x"}', "\n"])
@pytest.mark.parametrize("name", ["docker", "cri"])
def test_a_line_in_front_does_not_hide_a_runtime(name: str, first: str) -> None:
    """Another program's or a half one: each line says for itself who wrote it, packed or not."""
    line = LINE.format(1, 8, 1851)
    pieces = f"{STAMP} stdout P {line[:20]}\n{STAMP} stdout F {line[20:]}"
    if name == "docker":
        begun = {"log": "=" * 16_364 + "\r" + line[:20], "stream": "stdout", "time": STAMP}
        pieces = f"{json.dumps(begun, separators=(',', ':'))}\n{docker(line[20:])}"
    text = f"{first}\n{WRAPPERS[name](line)}\n{pieces}\n{first}\n".encode()
    for content in (text, gzip.compress(text)):
        (process,) = read_log("x", io.BytesIO(content)).processes
        assert len(process.checkpoints) == 2
        assert process.checkpoints[1].line == text.count(b"\n") - first.count("\n") - 1


def test_half_a_character_in_json_is_read_as_none() -> None:
    """JSON can say it, no terminal and no file can hold it."""
    content = {"log": LINE.format(1, 8, 1851) + "\udc80\n", "stream": "stdout", "time": "\udc80"}
    text = json.dumps(content, separators=(",", ":")) + "\n"
    assert r"\udc80" in text
    (process,) = read_log("x", io.BytesIO(text.encode())).processes
    assert [sample.values["threads"] for sample in process.checkpoints] == [8]
    process.last_lines[0].text.encode()


@pytest.mark.parametrize("name", [None, *WRAPPERS])
def test_what_a_host_does_not_show_is_none(name: str | None) -> None:
    """A host without a cgroup for PIDs has a question mark there, in however many lines."""
    line = "[THREADS] Fold 1/3 START: proc=9, cgroup={}, maps=5/{}, rss=9MB"
    cases = {("?/max", "65530"): (None, "UNLIMITED"), ("7/?", "?"): (7, "UNREADABLE")}
    for (usage, maps_limit), (pids, limit) in cases.items():
        text = line.format(usage, maps_limit)
        wrapped = text if name is None else WRAPPERS[name](text)
        (process,) = read_log("x", io.BytesIO(f"{wrapped}\n{wrapped}\n".encode())).processes
        for checkpoint in process.checkpoints:
            assert checkpoint.values["cgroup_pids"] == pids
            assert getattr(checkpoint.limits["cgroup_pids"], "name", None) == limit


def test_a_loggers_message_of_several_lines_is_one() -> None:
    """Its last line ends with the message, not with what JSON puts behind it."""
    told = {"level": "error", "message": "Traceback (most recent call last):\nMemoryError: out"}
    (process,) = read_log("x", io.BytesIO(json.dumps(told).encode())).processes
    assert process.crash is not None
    assert process.crash.text == "MemoryError: out"


def test_what_a_log_ends_with_is_said_of_its_last_process_only() -> None:
    """One that another of the same writer followed did not end there."""
    lines = [LINE.format(1, 63, 1786), LINE.format(1, 1, 39), "Aborted (core dumped)"]
    crashes = [process["crash"] for process in table("\n".join(lines) + "\n")]
    assert crashes == [None, ("aborted", 3, None, None)]
