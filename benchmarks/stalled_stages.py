"""``python -m benchmarks.stalled_stages KIND``: one fold, whose stage hangs, or is slow and healthy, in the last of three.

Each hang is a function of its own, by whose name the stacks are judged.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import importlib
import multiprocessing
import multiprocessing.pool
import multiprocessing.queues
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from typing import TYPE_CHECKING, NoReturn

import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

USUAL_SECONDS = 30.0
"""Of the stage, in the folds before."""
SLOW_SECONDS = 150.0
"""Of a healthy one in the last."""
SOURCE = """
#include <pthread.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
void locks_twice(void) { pthread_mutex_lock(&lock); pthread_mutex_lock(&lock); }
void waits_for_its_vfork(void) { if (vfork() == 0) pause(); }
double sums_in_parallel(long count)
{
    double sum = 0;
    #pragma omp parallel for reduction(+:sum) num_threads(2)
    for (long i = 0; i < count; i++) sum += i;
    return sum;
}
"""

RANK = """
import os, signal, sys
def all_reduce(): sys.stdin.read()
if os.environ["RANK"] == "2": os.kill(os.getpid(), signal.SIGSTOP)
all_reduce()
"""


def library() -> ctypes.CDLL:
    """Compile SOURCE and load it."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "hangs.c")
    with open(path, "w", encoding="ascii") as file:
        file.write(SOURCE)
    made = path.replace(".c", ".so")
    subprocess.run(["cc", "-g", "-fopenmp", "-shared", "-fPIC", "-o", made, path], check=True)
    return ctypes.CDLL(made)


def deadlock_of_two_threads() -> None:
    """Each holds what the other wants."""
    first, second = threading.Lock(), threading.Lock()

    def takes(one: threading.Lock, other: threading.Lock) -> None:
        with one:
            time.sleep(0.5)
            with other:
                pass

    orders = ((first, second), (second, first))
    threads = [threading.Thread(target=takes, args=order) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lock_of_a_thread_that_ended() -> None:
    """It never gave it back."""
    lock = threading.Lock()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    lock.acquire()


def openmp_after_fork() -> None:
    """The child's pool has no threads any more."""
    loaded = library()
    loaded.sums_in_parallel(ctypes.c_long(1000))
    child = os.fork()
    if child == 0:
        loaded.sums_in_parallel(ctypes.c_long(1000))
        os._exit(0)
    os.waitpid(child, 0)


def get_of_an_empty_queue() -> None:
    """Whoever was to fill it has ended."""
    queue.Queue[int]().get()


def stopped_process() -> None:
    """As by Ctrl-Z, or a debugger."""
    os.kill(os.getpid(), signal.SIGSTOP)


def stopped_rank() -> None:
    """Four ranks wait for each other, and one is stopped."""
    read, _write = os.pipe()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK],
            stdin=read,
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "4"},
        )
        for rank in range(4)
    ]
    for process in ranks:
        process.wait()


def full_pipe() -> None:
    """Nobody reads."""
    _read, write = os.pipe()
    while True:
        os.write(write, b"x" * 65536)


def open_of_a_fifo() -> None:
    """Nobody writes."""
    path = os.path.join(tempfile.mkdtemp(), "fifo")
    os.mkfifo(path)
    with open(path, "rb") as file:
        file.read()


def wait_in_the_kernel() -> None:
    """In state D, as for a file server that is gone."""
    library().waits_for_its_vfork()


def worker_that_died() -> None:
    """What it was to load never comes."""
    loaded: multiprocessing.queues.Queue[int] = multiprocessing.Queue()
    worker = multiprocessing.Process(target=_dies)
    worker.start()
    loaded.get()


def _dies() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit


def wait_for_a_subprocess() -> None:
    """It waits for input."""
    read, _write = os.pipe()
    subprocess.run(["cat"], stdin=read, check=False)


def recv_of_a_silent_peer() -> None:
    """The connection stands."""
    here, _there = socket.socketpair()
    here.recv(1)


def flock_that_is_held() -> None:
    """By another descriptor."""
    path = os.path.join(tempfile.mkdtemp(), "lock")
    with open(path, "w", encoding="ascii") as one, open(path, "w", encoding="ascii") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)


def select_without_timeout() -> None:
    """Nothing becomes readable."""
    read, _write = os.pipe()
    select.select([read], [], [])


def event_loop_without_tasks() -> None:
    """The last task has ended."""
    asyncio.new_event_loop().run_forever()


def pool_with_a_killed_worker() -> None:
    """It was killed for want of memory, say, with the task."""
    with multiprocessing.pool.Pool(2) as pool:
        pool.apply_async(_dies).get()


def native_deadlock() -> None:
    """A mutex that its own thread holds."""
    library().locks_twice()


def barrier_with_one_missing() -> None:
    """Three are expected."""
    barrier = threading.Barrier(3)
    threading.Thread(target=barrier.wait).start()
    barrier.wait()


def condition_that_nobody_notifies() -> None:
    """It was notified before."""
    condition = threading.Condition()
    with condition:
        condition.notify_all()
        condition.wait()


def import_that_waits_for_another() -> None:
    """Which waits for what never comes."""
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "never_loaded.py"), "w", encoding="ascii") as file:
        file.write("import threading\nthreading.Event().wait()\n")
    sys.path.insert(0, folder)
    thread = threading.Thread(target=importlib.import_module, args=("never_loaded",), daemon=True)
    thread.start()
    time.sleep(0.5)
    importlib.import_module("never_loaded")


HANGS: dict[Callable[[], None], tuple[str, ...]] = {
    deadlock_of_two_threads: ("takes (",),
    lock_of_a_thread_that_ended: ("lock_of_a_thread_that_ended (",),
    openmp_after_fork: ("sums_in_parallel (", "libgomp"),
    get_of_an_empty_queue: ("get (queue.py",),
    stopped_process: ("stopped_process (", "(state T, stopped)"),
    stopped_rank: ("rank 2 stands in", "(state T, stopped)", "all_reduce ("),
    full_pipe: ("full_pipe (", "write of pipe:"),
    open_of_a_fifo: ("open_of_a_fifo (", "openat"),
    wait_in_the_kernel: ("wait_in_the_kernel (", "vfork"),
    worker_that_died: ("get (queues.py",),
    wait_for_a_subprocess: ("wait_for_a_subprocess (", "read of pipe:"),
    recv_of_a_silent_peer: ("recv_of_a_silent_peer (", "socket:"),
    flock_that_is_held: ("flock_that_is_held (", "flock of"),
    select_without_timeout: ("select_without_timeout (", "select"),
    event_loop_without_tasks: ("run_forever (", "select (selectors.py"),
    pool_with_a_killed_worker: ("get (pool.py",),
    native_deadlock: ("locks_twice (hangs.so", "native_deadlock ("),
    barrier_with_one_missing: ("_wait (threading.py",),
    condition_that_nobody_notifies: ("wait (threading.py",),
    import_that_waits_for_another: ("<module> (never_loaded.py", "import_module ("),
}
"""What must be in the stacks, and in the alert the name of the function itself."""


def prints_now_and_then() -> None:
    """A line every 20 s."""
    time.sleep(20)
    print("still there", flush=True)


def computes_a_little() -> None:
    """4 % of a core."""
    zlib.compress(os.urandom(2**20))
    time.sleep(1)


def has_a_child_compute() -> None:
    """As a compiler does."""
    code = (
        "import os, time, zlib\nfor _ in range(8): zlib.compress(os.urandom(2**21)); time.sleep(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def writes_and_syncs() -> None:
    """1 MB every few seconds."""
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(2**20))
        file.flush()
        os.fsync(file.fileno())
    time.sleep(4)


def has_a_thread_compute() -> None:
    """The main thread joins it."""
    thread = threading.Thread(target=computes_a_little)
    thread.start()
    thread.join()


def starts_many_programs() -> None:
    """Each for a moment."""
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    time.sleep(2)


HEALTHY: tuple[Callable[[], None], ...] = (
    *(prints_now_and_then, computes_a_little, has_a_child_compute),
    *(writes_and_syncs, has_a_thread_compute, starts_many_programs),
)


def main(name: str) -> None:
    """Run one fold."""
    fold = int(os.environ["FOLDWATCH_FOLD"])
    work = {one.__name__: one for one in (*HANGS, *HEALTHY)}[name]
    telemetry.start()
    telemetry.checkpoint("START")
    if fold == 3 and work in HANGS:
        work()
    end = time.monotonic() + (SLOW_SECONDS if fold == 3 else USUAL_SECONDS)
    while time.monotonic() < end:
        computes_a_little() if work in HANGS else work()
    telemetry.checkpoint("END")


if __name__ == "__main__":
    main(sys.argv[1])
