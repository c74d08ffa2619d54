"""Against the real kernel, with nothing left: checkpoints return and say which ceiling binds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from telemetry.journal.follower import JournalFollower
from telemetry.kernel.cgroup_controller import Controller
from telemetry.reading import Reading
from tests.support.paths import ROOT
from tests.support.programs import CommandOutcome
from tests.support.requirements import need

pytestmark = pytest.mark.slow

HEAD = """
import ctypes, mmap, os, resource, sys, threading, time
import telemetry
telemetry.start(run_dir=sys.argv[1], interval=0.2)
if len(sys.argv) > 2:  # become another user here: the interpreter may stand where only root gets
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, or /proc/self stays root's
telemetry.checkpoint("Fold 1/1 START")
def report(label):
    reading = telemetry.checkpoint(label)
    print("BINDING", reading.binding, flush=True)
"""
TAIL = """
print("ALIVE", flush=True)
os._exit(0)
"""


def run(code: str, place: Path, *, user: int | None = None) -> CommandOutcome:
    """Run ``code`` between HEAD and TAIL, as another user where one is named."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            HEAD + code + TAIL,
            str(place),
            *([] if user is None else [str(user)]),
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return CommandOutcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def readings(place: Path) -> list[Reading]:
    follower = JournalFollower(str(place / "journal.jsonl"))
    return [record for record in follower.finish() if isinstance(record, Reading)]


def test_every_memory_map_is_used(tmp_path: Path) -> None:
    """65,530 of them, as an ordinary user can: ENOMEM for everything new."""
    outcome = run(
        # Neighbours differ in their permissions, so that the kernel cannot merge them.
        "held, kinds = [], [mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE]\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "anonymous = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS\n"
        "while True:\n"
        "    kinds.reverse()\n"
        "    if libc.mmap(None, 4096, kinds[0], anonymous, -1, 0) in {None, 2**64 - 1}: break\n"
        "try: threading.Thread(target=print).start()\n"
        "except RuntimeError: print('NO THREAD', flush=True)\n"
        "for number in range(5): report(f'full {number}')\n",
        tmp_path,
    )
    assert outcome.code == 0, outcome
    assert "NO THREAD" in outcome.out
    assert outcome.out.count("BINDING max_map_count") == 5
    assert "ALIVE" in outcome.out
    full = [reading for reading in readings(tmp_path) if (reading.label or "").startswith("full")]
    assert len(full) == 5
    assert all((reading.maps or 0) >= 65525 for reading in full)
    assert all(reading.threads and reading.rss_bytes for reading in full)


@pytest.mark.root
def test_every_task_of_a_user_is_used(tmp_path: Path) -> None:
    """RLIMIT_NPROC, which binds a user who is not root."""
    need(os.geteuid() == 0, "root, to become another user")
    user = 60000 + os.getpid() % 5000
    outcome = run(
        "resource.setrlimit(resource.RLIMIT_NPROC, (25, 25))\n"
        "stop = threading.Event()\n"
        "try:\n"
        "    while True: threading.Thread(target=stop.wait, daemon=True).start()\n"
        "except RuntimeError: print('NO THREAD', flush=True)\n"
        "try: os.fork()\n"
        "except BlockingIOError: print('NO FORK', flush=True)\n"
        # Counting a user's tasks looks at the whole host, so it keeps to its pace: the timer comes to it, and
        # writes it once it knows who holds the limit.
        "from telemetry.recorder import api\n"
        "journal = api._sampler.journal._descriptor\n"  # the file itself is not this user's
        "while b'\"user_tasks\":25,' not in os.pread(journal, 2**24, 0): time.sleep(0.1)\n"
        "report('full')\n",
        tmp_path,
        user=user,
    )
    assert outcome.code == 0, outcome
    for word in ("NO THREAD", "NO FORK", "ALIVE"):
        assert word in outcome.out
    last = [reading for reading in readings(tmp_path) if reading.user_tasks is not None][-1]
    assert (last.user_tasks, last.limits["nproc"], last.binding) == (25, 25, "nproc")
    assert last.is_exempt_from_nproc is False
    assert not last.pids_limit_hits


def test_private_writable_memory_is_used(tmp_path: Path) -> None:
    """RLIMIT_DATA, by the stacks of threads: they are mapped whole and hardly touched."""
    outcome = run(
        "with open('/proc/self/status') as file:\n"
        "    used = next(int(line.split()[1]) for line in file if line.startswith('VmData')) * 1024\n"
        "limit = used + 100 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
        "stop, started = threading.Event(), 0\n"
        "try:\n"
        "    while True: threading.Thread(target=stop.wait, daemon=True).start(); started += 1\n"
        "except RuntimeError: print('NO THREAD after', started, flush=True)\n"
        "report('full')\n",
        tmp_path,
    )
    assert outcome.code == 0, outcome
    assert "NO THREAD after 1" in outcome.out  # 8 MB each, and a little that malloc takes
    assert "BINDING data_size" in outcome.out
    assert "ALIVE" in outcome.out
    last = readings(tmp_path)[-1]
    assert isinstance(last.limits["data_size"], int)
    assert last.data_bytes is not None
    assert 0 <= last.limits["data_size"] - last.data_bytes < 16 * 2**20
    assert last.errors == {}


def test_every_descriptor_is_used(tmp_path: Path) -> None:
    """What is held open is read; what would have to be opened says EMFILE."""
    outcome = run(
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "held = []\n"
        "try:\n"
        "    while True: held.append(open('/dev/null'))\n"
        "except OSError as error: print(error.errno, flush=True)\n"
        "report('full')\n",
        tmp_path,
    )
    assert outcome.code == 0, outcome
    assert "BINDING open_files" in outcome.out
    last = readings(tmp_path)[-1]
    assert (last.open_fds, last.limits["open_files"]) == (64, 64)
    assert last.threads
    assert last.maps
    assert last.rss_bytes
    assert last.errors == {"tasks": "EMFILE"}
    assert outcome.err.count("training goes on") == 1


def test_the_disk_is_full(small_disk: Path) -> None:
    """The loss is counted and logged once; when there is room again, records are written again."""
    outcome = run(
        "from telemetry.recorder import api\n"
        "for number in range(100): telemetry.checkpoint(f'step {number}')\n"
        "assert api._sampler.error_counts['journal'] >= 10, api._sampler.error_counts\n"
        "path = sys.argv[1] + '/journal.jsonl'\n"
        "os.truncate(path, os.path.getsize(path) - 8192)\n"
        "telemetry.checkpoint('room again')\n",
        small_disk,
    )
    assert outcome.code == 0, outcome
    assert "ALIVE" in outcome.out
    assert outcome.err.count("journal failed") == 1
    labels = [reading.label for reading in readings(small_disk)]
    assert "room again" in labels[-3:]  # the timer may have read since


@pytest.mark.parametrize("then", ["", "os.chdir(sys.argv[1])\n"])
def test_the_journal_is_deleted_under_it(tmp_path: Path, then: str) -> None:
    """A new one is begun, at its place wherever the process has gone, and the loss is counted."""
    outcome = run(
        "os.unlink(sys.argv[1] + '/journal.jsonl')\n"
        f"{then}"
        "for number in range(3): telemetry.checkpoint(f'step {number}')\n",
        Path(os.path.relpath(tmp_path, ROOT)),
    )
    assert outcome.code == 0, outcome
    assert outcome.err.count("was deleted; a new journal was begun") == 1
    labels = [reading.label for reading in readings(tmp_path) if reading.label]
    assert labels == ["step 0", "step 1", "step 2"]


@pytest.mark.root
def test_a_process_of_its_memory_cgroup_is_killed(tmp_path: Path) -> None:
    """oom_kills rises by what really happened: one."""
    need(os.geteuid() == 0, "root, to make a cgroup")
    folder = f"/sys/fs/cgroup/memory/foldwatch-test-{uuid.uuid4().hex[:8]}"
    limit = "memory.limit_in_bytes"
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        folder, limit = folder.replace("/memory/", "/", 1), "memory.max"
    try:
        os.mkdir(folder)
        with open(os.path.join(folder, limit), "w", encoding="ascii") as file:
            file.write(str(200 * 2**20))
    except OSError as error:
        need(False, f"a memory controller to make a cgroup in ({error})")  # noqa: FBT003 - it failed
    try:
        outcome = run(
            f"open({os.path.join(folder, 'cgroup.procs')!r}, 'w').write('0')\n"
            "before = telemetry.checkpoint('before')\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    open('/proc/self/oom_score_adj', 'w').write('1000')\n"
            "    held = []\n"
            "    while True: held.append(bytearray(2**20))\n"
            "print(os.waitpid(child, 0)[1], flush=True)\n"
            "after = telemetry.checkpoint('after')\n"
            "print('ROSE', after.oom_kills - before.oom_kills, flush=True)\n"
            "print('LIMIT', after.limits['cgroup_memory'] // 2**20, flush=True)\n",
            tmp_path,
        )
        assert outcome.code == 0, outcome
        assert "ROSE 1\n" in outcome.out
        assert "LIMIT 200\n" in outcome.out
    finally:
        os.rmdir(folder)


def test_a_process_that_is_ending_is_where_it_was(memory_cgroup: str) -> None:
    """On v1 it shows as one of the root cgroup, for as long as it gives its memory back."""
    script = (
        f"open({memory_cgroup!r} + '/cgroup.procs', 'w').write('0')\n"
        "held = b'1' * (300 * 2**20)\nprint(flush=True)\ninput()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = Controller("memory", pid=process.pid)
        memory.read()
        process.kill()
        with contextlib.suppress(OSError):  # at last the process has no mounts any more
            while True:
                memory.read()
                if process.poll() is not None:
                    break
        words = memory.final_counters()
        memory.close()
    assert words is not None
    assert words.own_folder == memory_cgroup
