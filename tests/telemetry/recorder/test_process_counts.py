"""What is counted of this process: real threads, descriptors, children, maps; dear numbers within their share."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from telemetry.recorder import process_counts
from telemetry.recorder.call_ledger import CallLedger
from telemetry.recorder.process_counts import ProcessCounts
from tests.support.programs import run_python
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = 64 * mmap.PAGESIZE


class Reader:
    """Reads again and again, as the calls of a thread do."""

    def __init__(self) -> None:
        self._counts = ProcessCounts(threading.get_ident())
        self._ledger = CallLedger()

    def read(self, depth: int = 0) -> dict[str, int]:
        values = self._counts.read(self._ledger, depth)
        self._ledger.move(0, values)
        return values


def thread() -> Callable[[], object]:
    event = threading.Event()
    started = threading.Thread(target=event.wait, daemon=True)
    started.start()

    def end() -> None:
        event.set()
        started.join()
        place = (
            f"/proc/self/task/{started.native_id}"  # it ends for the kernel after it has for Python
        )
        wait_until(lambda: not os.path.exists(place), 60, "the thread's end")

    return end


def descriptor() -> Callable[[], object]:
    number = os.open(os.devnull, os.O_RDONLY)
    return lambda: os.close(number)


def child() -> Callable[[], object]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    return process.communicate


def mapped() -> Callable[[], object]:
    # Neighbours that may be read and written alike would be one map.
    pages = [mmap.mmap(-1, PAGES, prot=mmap.PROT_READ << (n % 2)) for n in range(8)]

    def give_back() -> None:
        for one in pages:
            one.close()

    return give_back


def memory() -> Callable[[], object]:
    kept = [bytearray(2**26)]
    return kept.clear


def pages() -> Callable[[], object]:
    """Take memory that is new to the process: malloc may have as much that was given back to it."""
    taken = mmap.mmap(-1, 2**26, flags=mmap.MAP_PRIVATE)
    for at in range(0, len(taken), mmap.PAGESIZE):
        taken[at] = 1
    return taken.close


@pytest.mark.parametrize(
    ("name", "take", "least"),
    [
        ("threads", thread, 1),
        ("open_fds", descriptor, 1),
        ("descendants", child, 1),
        ("maps", mapped, 8),
        ("rss_bytes", pages, 2**25),
        ("malloc_bytes", memory, 2**26),
    ],
)
def test_what_is_taken_is_counted(
    name: str,
    take: Callable[[], Callable[[], object]],
    least: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the next reading, and no more when it is given back."""
    monkeypatch.setattr(
        process_counts, "CAPACITY_SECONDS", 60.0
    )  # whatever else this process holds
    reader = Reader()
    before = reader.read()
    if not before.get(name) and name in {"open_fds", "malloc_bytes"}:
        pytest.skip("not counted by this kernel or allocator")
    give_back = take()
    taken = reader.read()
    give_back()
    after = reader.read()
    assert taken[name] - before[name] >= least
    assert after[name] - before[name] <= least // 2


def test_files_of_the_training_in_the_places_of_closed_ones_are_not_read() -> None:
    """It may close every descriptor that it does not know."""
    code = (
        "import os, threading\n"
        "from telemetry.recorder.call_ledger import CallLedger\n"
        "from telemetry.recorder.process_counts import ProcessCounts\n"
        "counts, ledger = ProcessCounts(threading.get_ident()), CallLedger()\n"
        "before = counts.read(ledger, 0)\n"
        "ledger.move(0, before)\n"
        "os.closerange(3, 100)\n"
        "own = [os.open('/proc/self/limits', os.O_RDONLY) for _ in range(10)]\n"
        "after = counts.read(ledger, 0)\n"
        "assert abs(after['rss_bytes'] - before['rss_bytes']) < 2**24, after\n"
        "assert abs(after['maps'] - before['maps']) < 50, after\n"
        "assert all(os.readlink(f'/proc/self/fd/{one}').endswith('limits') for one in own)\n"
    )
    outcome = run_python("-c", code)
    assert outcome.code == 0, outcome.err


def test_a_dear_number_is_read_within_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an outer call gets it when the inner ones have used theirs up."""
    clock, used = [100.0], iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(time, "thread_time", lambda: next(used) * 1e-3)
    dear = process_counts.DearNumber(lambda: 7)
    inner = sum(dear.read(depth=3) is not None for _ in range(100))
    outer = sum(dear.read(depth=1) is not None for _ in range(100))
    assert 1 <= inner < outer + inner <= 1 + process_counts.CAPACITY_SECONDS / 1e-3
    clock[0] += 10.0
    assert dear.read(depth=1) == 7
