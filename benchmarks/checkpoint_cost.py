"""``checkpoint()`` beside bare reads of the same kernel files, psutil, and process-exporter.

checkpoint() and the bare reads alternate in one process with TensorFlow loaded, so that a change of
the machine's speed meets them alike; the others, which are slower by far, follow. Ratios of medians.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import statistics
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.process_exporter import PROGRAM, scraped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 60
MAPS = (0, 20_000, 60_000)
"""Memory maps to reach; 0 for those that TensorFlow brings."""


def bare_reader() -> Callable[[], None]:
    """Return a function that reads, and does not parse, what a checkpoint reads.

    The maps as text, as every program does that counts them; this process has no children to look for.
    """
    from telemetry.kernel.cgroup_controller import Controller, Level
    from telemetry.kernel.kernel_file import KernelFile
    from telemetry.kernel.reader import Reader

    reader = Reader()
    reader.read()
    held: list[KernelFile] = [
        *reader._files._files(),
        *(reader._pressure._files or {}).values(),
    ]
    for controller in (reader._pids, reader._memory):
        assert isinstance(controller, Controller)
        held.append(controller._membership)
        for level in controller._levels:
            assert isinstance(level, Level)
            held += [file for file in vars_of(level) if isinstance(file, KernelFile)]
    buffer = bytearray(65536)
    files = [
        (os.open(file.path, os.O_RDONLY), file.path.endswith("/maps"))
        for file in held
        if os.path.exists(file.path)
    ]
    folder = f"/proc/{os.getpid()}/task"

    def read() -> None:
        for descriptor, is_long in files:
            offset = os.preadv(descriptor, [buffer], 0)
            while is_long and (size := os.preadv(descriptor, [buffer], offset)):
                offset += size
        os.stat(f"/proc/{os.getpid()}/fd")
        for tid in os.listdir(folder):
            descriptor = os.open(f"{folder}/{tid}/comm", os.O_RDONLY)
            os.read(descriptor, 4096)
            os.close(descriptor)

    return read


def vars_of(level: object) -> list[object]:
    """Return the attributes of an object, with slots or without."""
    return list(vars(level).values())


def by_psutil() -> None:
    """Read the same four numbers as a program with psutil does, the cgroup's by hand."""
    import psutil

    process = psutil.Process()
    process.num_threads()
    process.memory_info()
    len(process.memory_maps(grouped=False))
    for path in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        with open(path, encoding="utf-8") as file:
            file.read()


def by_process_exporter() -> dict[str, float]:
    """Return what a scrape takes that reads this process, as it comes and without smaps."""
    if PROGRAM is None:
        return {}
    found: dict[str, float] = {}
    for name, smaps in (("process_exporter", True), ("process_exporter_without_smaps", False)):
        with scraped("checkpoint_cost", smaps=smaps) as scrape:
            found |= median_seconds({name: scrape}, 8)
    return found


@contextlib.contextmanager
def busy_thread() -> Iterator[None]:
    """Let another Python thread compute meanwhile, as a data loader of threads does."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def hold_maps(wanted: int) -> None:
    """Map pages whose neighbours differ, until the process has ``wanted`` maps."""
    from telemetry.kernel.procfs import ProcessFiles

    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    missing = wanted - ProcessFiles(pid=os.getpid()).maps()
    for number in range(max(0, missing)):
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if number % 2 else 0)
        libc.mmap(None, 4096, protection, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)


def median_seconds(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Call the functions in turn, round after round; return each one's median.

    The order turns with the rounds: what comes behind a function that fills the caches is slower.
    """
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for round_ in range(rounds):
        for name in sorted(functions, reverse=bool(round_ % 2)):
            began = time.perf_counter()
            functions[name]()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[2:]) for name, times in taken.items()}


def main() -> None:
    """Print one JSON object a line, for each number of maps."""
    import telemetry

    with (
        tempfile.TemporaryDirectory() as place,
        open(os.devnull, "w", encoding="utf-8") as nowhere,
    ):
        telemetry.start(run_dir=place, interval=3600, lines=nowhere)
        import tensorflow as tf

        tf.linalg.matmul(tf.ones((64, 64)), tf.ones((64, 64)))
        for wanted in MAPS:
            hold_maps(wanted)
            functions: dict[str, Callable[[], object]] = {
                "checkpoint": lambda: telemetry.checkpoint("x"),
                "bare": bare_reader(),
            }
            seconds = median_seconds(functions, ROUNDS)
            seconds |= median_seconds({"psutil": by_psutil}, 8)
            seconds |= by_process_exporter()
            with busy_thread():
                beside = {"beside_a_busy_thread": functions["checkpoint"]}
                seconds |= median_seconds(beside, ROUNDS // 4)
            maps = telemetry.checkpoint("x").maps
            switch = {"switch_seconds": sys.getswitchinterval()}
            print(json.dumps({"maps": maps, **seconds, **switch}), flush=True)


if __name__ == "__main__":
    main()
