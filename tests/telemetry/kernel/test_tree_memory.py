"""The memory of a process and its descendants, with shared pages counted once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from telemetry.kernel.tree_memory import read_tree_memory
from telemetry.thread_line import MEBIBYTE

SHARED_MB = 200
OWN_MB = 40
PARENT = f"""
import json, mmap, os, signal
from telemetry.kernel.tree_memory import read_tree_memory

shared = mmap.mmap(-1, {SHARED_MB} * 2**20)  # MAP_SHARED
shared.write(b"x" * ({SHARED_MB} * 2**20))
ready, told = os.pipe()
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        sum(shared[place] for place in range(0, len(shared), 4096))
        own = bytes([7]) * ({OWN_MB} * 2**20)
        os.write(told, b"x")
        signal.pause()
    children.append(child)
for _ in children:
    os.read(ready, 1)
found = read_tree_memory(os.getpid())
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(json.dumps(found._asdict()))
"""


@pytest.mark.slow
def test_shared_pages_are_counted_once() -> None:
    """Two children that map all of it, each with memory of its own."""
    output = subprocess.run(
        [sys.executable, "-c", PARENT], check=True, capture_output=True, timeout=60
    ).stdout
    found = json.loads(output)
    assert found["processes"] == 3
    base = SHARED_MB + 2 * OWN_MB
    assert base <= found["pss_bytes"] / MEBIBYTE < base + 60
    assert 2 * OWN_MB <= found["uss_bytes"] / MEBIBYTE < 2 * OWN_MB + 60
    assert found["rss_bytes"] / MEBIBYTE >= 3 * SHARED_MB + 2 * OWN_MB


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    """It ended before it was read."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert read_tree_memory(process.pid) is None


@pytest.mark.parametrize("pid", [0, -1])
def test_no_process_has_no_memory(pid: int) -> None:
    """There is none of that number."""
    assert read_tree_memory(pid) is None
