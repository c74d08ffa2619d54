"""The signature table: a line for each kind of crash, each false friend, and what they are taken for."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import pytest

from analyzer.processes.from_log import Process, read_log
from analyzer.signatures.search import CAUSES, LITERALS, SIGNATURES, find_match
from tests.support.paths import TESTS

TASKS = {"pids_cgroup", "nproc", "threads_max", "pid_max"}
STACKS = TASKS | {"max_map_count", "address_space", "data_size", "cgroup_memory", "host_memory"}
KILLED = {"cgroup_memory", "host_memory", "not_a_limit"}
ENOMEM = {"max_map_count", "address_space", "data_size", "host_memory", "cgroup_memory"}

NAMED = {"threads": STACKS, "tasks": TASKS, "enomem": ENOMEM, "killed": KILLED}


@dataclass(frozen=True)
class Line:
    """A line of log, and what it is to be taken for."""

    signature: str
    errno: int | None
    causes: frozenset[str]
    text: str


def read_lines() -> list[Line]:
    """Read crash_lines.tsv: a line for each signature, layout and false friend."""
    with open(os.path.join(TESTS, "crash_lines.tsv"), encoding="utf-8") as file:
        rows = [row.rstrip("\n").split("\t", 3) for row in file if not row.startswith("#")]
    return [
        Line(
            name,
            None if errno == "-" else int(errno),
            frozenset(cause for word in words.split() for cause in NAMED.get(word, {word})),
            text,
        )
        for name, errno, words, text in rows
    ]


LINES = read_lines()


@pytest.mark.parametrize("line", [line for line in LINES if line.signature != "none"])
def test_every_kind_of_crash_is_found(line: Line) -> None:
    """With every cause that such a line can have, and its errno."""
    crash = find_match(line.text, line=1)
    assert crash is not None
    assert crash.signature == line.signature
    assert set(crash.causes) == line.causes
    assert crash.errno == line.errno


@pytest.mark.parametrize("line", [line.text for line in LINES if line.signature == "none"])
def test_what_only_looks_like_a_crash_is_none(line: str) -> None:
    """Notices, handled errors, source lines."""
    assert find_match(line, line=1) is None


def test_the_table_is_whole() -> None:
    """Causes are known; few literals are searched."""
    for signature in SIGNATURES:
        assert set(signature.causes) <= set(CAUSES)
        assert set(signature.speaks_for) <= set(signature.causes)
        assert signature.is_frame or signature.causes
        assert not signature.names_its_cause or len(signature.causes) == 1
    assert all(len(literal) >= 2 for literal in LITERALS)


def process(text: str) -> Process:
    (found,) = read_log("x.log", io.BytesIO(text.encode())).processes
    return found


def causes_of(text: str) -> set[str]:
    crash = process(text).crash
    return set() if crash is None else set(crash.causes)


FORKING = """\
[THREADS] a: proc=8, cgroup=9/7680, maps=9/65530, rss=1MB
Traceback (most recent call last):
  File "/home/a/launch.py", line 66, in _launch
    self.pid = os.fork()
{error}
"""


@pytest.mark.parametrize(
    "frame",
    [
        "    self.pid = os.fork()",
        "    self.pid = _fork_exec(",
        "    self.pid = _posixsubprocess.fork_exec(",
        '  File "/usr/lib/python3.11/multiprocessing/popen_fork.py", line 66, in _launch',
        '  File "/usr/lib/python3.11/subprocess.py", line 1955, in _execute_child',
    ],
)
def test_eagain_from_a_fork_is_a_limit_and_from_a_pipe_is_none(frame: str) -> None:
    """The frame above the line tells; without a traceback both are possible."""
    error = "BlockingIOError: [Errno 11] Resource temporarily unavailable"
    text = FORKING.format(error=error)
    crash = process(text.replace("    self.pid = os.fork()", frame)).crash
    assert crash is not None
    assert set(crash.causes) == TASKS
    assert causes_of(text.replace("    self.pid = os.fork()", "    fd.read(4)")) == {"not_a_limit"}
    bare = process(error + "\n").crash
    assert bare is not None
    assert set(bare.causes) == TASKS | {"not_a_limit"}
    above = "    self.pid = os.fork()\n" + text.replace("    self.pid = os.fork()", "x")
    assert causes_of(above) == {"not_a_limit"}


def test_enomem_tells_by_its_frame() -> None:
    """At os.fork() the host's commit limit, never PIDs; at mmap.mmap() never a locked-memory limit."""
    text = FORKING.format(error="OSError: [Errno 12] Cannot allocate memory")
    crash = process(text).crash
    assert crash is not None
    assert crash.causes == ("host_memory", "cgroup_memory")
    crash = process(text.replace("os.fork()", "mmap.mmap(-1, 4096)")).crash
    assert crash is not None
    assert set(crash.causes) == ENOMEM
    crash = process(text.replace("os.fork()", "x.call()")).crash
    assert crash is not None
    assert "locked_memory" in crash.causes


def test_a_traceback_in_one_line_tells_by_its_frame() -> None:
    """As a collector writes it: the frame, and the error behind it."""
    text = FORKING.format(error="BlockingIOError: [Errno 11] Resource temporarily unavailable")
    reading, glued = text.split("\n", 1)
    crash = process(f"{reading}\n{glued!r}\n").crash
    assert crash is not None
    assert set(crash.causes) == TASKS
    piped = f"{reading}\n{glued.replace('os.fork()', 'fd.read(4)')!r}\n"
    assert causes_of(piped) == {"not_a_limit"}


def test_a_level_is_that_of_what_stands_behind_it() -> None:
    """Not of what a bar drew before it in the same line."""
    bar = "INFO 12/100 [==>.]\r"
    assert process(bar + "RuntimeError: can't start new thread\n").crash is not None
    assert find_match(bar + "WARN RuntimeError: can't start new thread", line=1) is None


def test_the_root_is_the_earliest_that_follows_from_no_other() -> None:
    """Not the loudest, nor the last; a summary alone is still a crash."""
    watchdog = "Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)\n"
    elastic = "failed (exitcode: -6) local_rank: 0 (pid: 42) of binary: python\n"
    cause = "RuntimeError: can't start new thread\n"
    crash = process(watchdog + cause + elastic).crash
    assert crash is not None
    assert (crash.signature, crash.line) == ("python_new_thread", 2)
    crash = process(watchdog + elastic).crash
    assert crash is not None
    assert crash.signature == "nccl_watchdog"


def test_openblas_says_its_limit_before_or_after() -> None:
    """Three layouts: the line of the limit stands alone, and never is the root."""
    failed = "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Erreur\n"
    advice = "OpenBLAS blas_thread_init: ensure that your address space and process count limits are big\n"
    limit = "OpenBLAS blas_thread_init: RLIMIT_NPROC -1 current, -1 max\n"
    for text in (failed + limit, limit + failed, failed + advice + advice + limit):
        found = process(text)
        assert found.crash is not None
        assert found.crash.signature == "openblas_pthread_create"
        assert found.crash.thread == "3"
        assert found.matches["openblas_nproc"].details == {"soft": "-1", "hard": "-1"}
