"""Counts and limits that a person asked a shell for: what they are of, and what they are no reading of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.diagnosis.confidence import Confidence
from analyzer.processes import printed_counts, shell_answers
from analyzer.processes import printed_limits as limits_of
from analyzer.processes.printed_limits import printed_limits
from telemetry.late_pattern import RarePattern
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RARE = [
    (name, pattern)
    for module in (printed_counts, limits_of, shell_answers)
    for name, pattern in vars(module).items()
    if isinstance(pattern, RarePattern)
]
SEEN, NONE = LimitState.INVISIBLE, LimitState.UNLIMITED
FORK = "./sweep.sh: fork: Resource temporarily unavailable\n"
THREAD = "RuntimeError: can't start new thread\n"
KILLED = "./train.sh: line 3:  4242 Killed                  python train.py\n"
NO_MEMORY = "    self.pid = os.fork()\nOSError: [Errno 12] Cannot allocate memory\n"
STRICT = "$ sysctl vm.overcommit_memory\nvm.overcommit_memory = 2\n"
COMMITTED = "CommitLimit:    65952148 kB\nCommitted_AS:   63881120 kB\n"
FREE = "$ free -m\n        total        used        free\nMem:    15884        2011       11902\n"
CORECLR = "a.targets(59,5): error : Failed to create CoreCLR, HRESULT: 0x8007000E [/a.csproj]\n"
LMDB = "lmdb.MemoryError: /data/db: Cannot allocate memory\n"


def confidence_of(cause: str, folder: Path, text: str) -> Confidence:
    """Return how sure the analysis of a log is of a cause."""
    path = folder / "a.log"
    path.write_text(text)
    (found,) = analyze(path).findings
    return {one.cause: one.confidence for one in found.causes}[cause]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$ ps -u shn -L --no-headers | wc -l\n511\n", [("nproc", SEEN, 511)]),
        ("[shn@n1 ~]$ ps -Lu shn | wc -l\n512\n", [("nproc", SEEN, 512)]),
        ("+ ps -eLf\n+ grep -c shn\n", []),
        ("+ ulimit -c 0\n+ ps -L -u mila -o tid=\n+ wc -l\n4095\n", [("nproc", SEEN, 4095)]),
        ("+ wc -l\n+ ps -L -u mila -o tid=\n4095\n", [("nproc", SEEN, 4095)]),
        ("+ wc -l\n+ ls runs\n4095\n", []),
        ("$ ps -eLf | grep shn | wc -l\n509\n", [("nproc", SEEN, 509)]),
        ("$ ps -eLo user= | grep -c '^shn'\n509\n", [("nproc", SEEN, 509)]),
        ("$ ps -u $USER -L | wc -l\n    511\n", [("nproc", SEEN, 511)]),
        (
            "# ps -eLf | wc -l\n32701\n",
            [("threads_max", SEEN, 32701), ("pid_max", SEEN, 32701)],
        ),
        (
            "$ ls /proc/4242/task | wc -l\n1020\n",
            [("nproc", SEEN, 1020), ("pids_cgroup", SEEN, 1020)],
        ),
        ("# cat /sys/fs/cgroup/pids.current\n4096\n", [("pids_cgroup", SEEN, 4096)]),
        ("# cat /sys/fs/cgroup/pids.max\n4096\n", [("pids_cgroup", 4096, None)]),
        ("# cat /sys/fs/cgroup/pids.max\nmax\n", [("pids_cgroup", NONE, None)]),
        (
            "# cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids.current\n512\n511\n",
            [("pids_cgroup", 512, None), ("pids_cgroup", SEEN, 511)],
        ),
        ("$ cat /proc/sys/kernel/threads-max\n63704\n", [("threads_max", 63704, None)]),
        ("$ sysctl -n kernel.pid_max\n32768\n", [("pid_max", 32768, None)]),
        ("kernel.pid_max = 32768\n", [("pid_max", 32768, None)]),
        ("     Tasks: 512 (limit: 512)\n", [("pids_cgroup", 512, 512)]),
        ("$ ls /proc/4242/fd | wc -l\n1021\n", [("open_files", SEEN, 1021)]),
        ("$ cat /proc/4242/maps | wc -l\n65531\n", [("max_map_count", SEEN, 65531)]),
        ("$ ulimit -Hu\n512\n", [("nproc", 512, None)]),
        ("$ cat data/train.txt | wc -l\n511\n", []),
        ("$ ls runs | wc -l\n511\n", []),
        ("[shn@n1 ~]$ ps -u eva -L | wc -l\n511\n", []),
        ("$ ps -u root -L | wc -l\n511\n", []),
        ("$ ps aux | wc -l\n511\n", []),
        ("$ ps -u shn -L | wc -l\nepoch 5\n", []),
        ("$ wc -l /proc/4242/maps\n65531 /proc/4242/maps\n", [("max_map_count", SEEN, 65531)]),
        ("In [9]: !wc -l < /proc/{pid}/maps\n65531\n", [("max_map_count", SEEN, 65531)]),
        ("vm.max_map_count = 65530\n", [("max_map_count", 65530, None)]),
        (
            "shn@n1:~$ ulimit -u; cat /sys/fs/cgroup/u.slice/pids.max; ps -L -u shn | wc -l\n4096\nmax\n4081\n",
            [("nproc", 4096, None), ("pids_cgroup", NONE, None), ("nproc", SEEN, 4081)],
        ),
        (
            "$ ulimit -u && ps -L -u shn | wc -l\n512\n511\n",
            [("nproc", 512, None), ("nproc", SEEN, 511)],
        ),
        ("$ cd runs && ls | wc -l && ulimit -n\n511\n1024\n", [("open_files", 1024, None)]),
        ("$ nproc; ulimit -u\n64\n4096\n", [("nproc", 4096, None)]),
        ("$ grep -E 'VmRSS' s; ulimit -u; date\nVmRSS:  9 kB\n512\nMon\n", [("nproc", 512, None)]),
        ("$ ./count.sh; ulimit -u\n64\n4096\n", []),
        ("$ ulimit -u; uptime\n", []),
    ],
)
def test_an_answer_is_a_reading_of_what_its_command_counts(
    text: str, found: list[tuple[str, object, int | None]]
) -> None:
    """Of the user, of a process, of the host; not of files, nor of somebody else."""
    assert [(one.cause, one.limit, one.current) for one in printed_limits(text)] == found


@pytest.mark.parametrize(
    ("text", "cause", "confidence"),
    [
        (FORK + "$ ulimit -u\n512\n$ ps -u shn -L | wc -l\n511\n", "nproc", Confidence.LIKELY),
        (FORK + "$ ulimit -u\n127000\n$ ps -u shn -L | wc -l\n511\n", "nproc", Confidence.POSSIBLE),
        (FORK + "$ ulimit -u\n512\n$ ls runs | wc -l\n511\n", "nproc", Confidence.POSSIBLE),
        (
            THREAD + "# cat /sys/fs/cgroup/pids.max\n512\n# cat /sys/fs/cgroup/pids.current\n512\n",
            "pids_cgroup",
            Confidence.LIKELY,
        ),
        (
            FORK + "# cat /proc/sys/kernel/pid_max\n32768\n# ps -eLf | wc -l\n32750\n",
            "pid_max",
            Confidence.LIKELY,
        ),
        (
            "$ ulimit -v\n67108864\nmap_size: 1099511627776\n" + LMDB,
            "address_space",
            Confidence.LIKELY,
        ),
        (
            "$ ulimit -v\n67108864\nlmdb.open(path, map_size=1 << 40)\n" + LMDB,
            "address_space",
            Confidence.LIKELY,
        ),
        ("$ ulimit -v\n67108864\nmap_size=10GiB\n" + LMDB, "address_space", Confidence.POSSIBLE),
        ("map_size: 1099511627776\n" + LMDB, "address_space", Confidence.POSSIBLE),
        (THREAD + "$ wc -l < /proc/7/maps\n65529\n", "max_map_count", Confidence.LIKELY),
        (THREAD + "$ wc -l < /proc/7/maps\n20112\n", "max_map_count", Confidence.POSSIBLE),
        (NO_MEMORY + STRICT + COMMITTED, "host_memory", Confidence.LIKELY),
        (NO_MEMORY + STRICT.replace("2", "0") + COMMITTED, "host_memory", Confidence.POSSIBLE),
        ("$ ulimit -v\n4194304\n" + FREE + CORECLR, "address_space", Confidence.LIKELY),
        ("$ ulimit -v\n16777216\n" + FREE + CORECLR, "address_space", Confidence.POSSIBLE),
        ("$ ulimit -v\n4194304\n" + CORECLR, "address_space", Confidence.POSSIBLE),
        (
            "$ ulimit -v\n67108864\nmap_size: 1099511627776\nMemoryError\n",
            "address_space",
            Confidence.POSSIBLE,
        ),
    ],
)
def test_a_count_is_held_against_the_limit_that_is_printed(
    tmp_path: Path, text: str, cause: str, confidence: Confidence
) -> None:
    """Near the limit it speaks for that cause; a map of LMDB that was asked for, only if LMDB failed."""
    assert confidence_of(cause, tmp_path, text) == confidence


@pytest.mark.parametrize(
    ("text", "cause", "confidence"),
    [
        (THREAD + "# cat /sys/fs/cgroup/pids.events\nmax 12\n", "pids_cgroup", Confidence.LIKELY),
        (THREAD + "# cat /sys/fs/cgroup/pids.events\nmax 0\n", "pids_cgroup", Confidence.UNLIKELY),
        (THREAD + "pids.events: max 3\n", "pids_cgroup", Confidence.LIKELY),
        (KILLED + "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n", "cgroup_memory", Confidence.LIKELY),
        (KILLED + "low 0\nhigh 0\nmax 0\noom_kill 0\n", "cgroup_memory", Confidence.UNLIKELY),
        (
            KILLED + "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            "cgroup_memory",
            Confidence.LIKELY,
        ),
        (KILLED + "memory.events: {oom: 1, oom_kill: 2}\n", "cgroup_memory", Confidence.LIKELY),
        (KILLED + "max 12\n", "cgroup_memory", Confidence.POSSIBLE),
    ],
)
def test_a_counter_of_the_cgroup_speaks_for_its_limit_or_against_it(
    tmp_path: Path, text: str, cause: str, confidence: Confidence
) -> None:
    """It is never certain: which cgroup it is of, and since when it counts, a log does not say."""
    assert confidence_of(cause, tmp_path, text) == confidence


@pytest.mark.parametrize(
    ("count", "confidence"), [(1011, Confidence.LIKELY), (300, Confidence.POSSIBLE)]
)
def test_a_count_is_held_against_the_limit_that_openblas_prints(
    tmp_path: Path, count: int, confidence: Confidence
) -> None:
    """Where no shell was asked for it."""
    blas = "OpenBLAS blas_thread_init: "
    text = f"$ ps -L -u mila --no-headers | wc -l\n{count}\n{blas}pthread_create: Resource temporarily unavailable\n"
    text += f"{blas}RLIMIT_NPROC 1024 current, 514880 max\n"
    assert confidence_of("nproc", tmp_path, text) == confidence


@pytest.mark.parametrize(
    "wrap",
    [
        '{{"log":"{}\\n","stream":"stdout","time":"2026-11-24T08:15:30.1Z"}}'.format,
        "2026-11-24T08:15:30.123456789Z stdout F {}".format,
        "train-1  | {}".format,
        "2026-11-24T08:15:30.1234567Z {}".format,
        "2026-11-24T08:15:30.123456Z 00O {}".format,
        "[2026-11-24T08:15:30.123Z] {}".format,
        "[2026-11-24T08:15:30Z] {}".format,
        "08:15:30  {}".format,
        "[08:15:30]i:\t [Step 1/2] {}".format,
        "[train:L7:12s] {}".format,
    ],
    ids=[
        "docker",
        "cri",
        "compose",
        "actions",
        "gitlab",
        "jenkins",
        "buildkite",
        "timestamper",
        "teamcity",
        "drone",
    ],
)
def test_what_is_printed_is_read_behind_a_wrapping(
    tmp_path: Path, wrap: Callable[[str], str]
) -> None:
    """The lines are looked at as they were printed."""
    lines = ["# cat /sys/fs/cgroup/pids.max", "512", "# cat /sys/fs/cgroup/pids.current", "511"]
    text = "".join(wrap(line) + "\n" for line in [THREAD.strip(), *lines])
    assert confidence_of("pids_cgroup", tmp_path, text) == Confidence.LIKELY


@pytest.mark.parametrize(
    ("command", "total", "gigabytes"),
    [
        ("+ free -m\n", 257638, 252),
        ("$ free -g\n", 252, 252),
        ("$ free\n", 263821312, 252),
        ("$ free -b\n", 270153023488, 252),
        ("$ free -tm\n", 3072, 3),
        ("", 257638, 252),
        ("", 188, 188),
        ("", 263821312, 252),
    ],
)
def test_free_is_read_in_the_unit_that_was_asked_for(
    command: str, total: int, gigabytes: int
) -> None:
    """Without its command, in the one that makes a host of it."""
    text = f"{command}              total        used        free\nMem:  {total}  100  100\n"
    (found,) = printed_limits(text)
    assert isinstance(found.limit, int)
    assert round(found.limit / 2**30) == gigabytes


@pytest.mark.parametrize(("name", "pattern"), RARE)
@given(st.data())
@settings(max_examples=12)
def test_no_match_is_without_what_is_looked_for_first(
    name: str, pattern: RarePattern, data: st.DataObject
) -> None:
    """Of texts that each pattern matches."""
    text = data.draw(st.from_regex(re.compile(pattern.text, pattern.flags)))
    found = re.compile(pattern.text, pattern.flags).search(text)
    assert found is not None
    assert pattern.may_match(found[0]), (name, found[0])
