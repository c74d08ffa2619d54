"""What grown memory is said to be, of real programs of which it is known.

benchmarks/memory_natures.py has them all; those here are quick, and at least one of each nature that needs no framework.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from benchmarks.memory_natures import truth_of
from telemetry.formatting import MEBIBYTE
from tests.scripts.memory_natures.jemalloc_dirty import LIBRARY
from tests.support.programs import run_python
from tests.support.requirements import need

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FOLDS = "4"
SHARED_MEMORY = "/dev/shm"


def nature_of(name: str, run: Path) -> str | None:
    """Run a program with ``run`` as its run directory, and analyze that."""
    module = f"tests.scripts.memory_natures.{name}"
    done = run_python("-m", module, str(run), seconds=500, environment={"FOLDS": FOLDS})
    assert done.code == 0, done.err
    (finding,) = analyze(run).findings
    found = finding.growth["rss_bytes"].nature
    return found and found.nature


@pytest.mark.parametrize(
    "name", ["c_blocks", "pinned_heap", "mapped_files", "string_cache", "thread_arenas"]
)
def test_memory_is_said_to_be_what_it_is(name: str, tmp_path: Path) -> None:
    """From the growth of the kernel's counts and of malloc's own."""
    assert nature_of(name, tmp_path) == truth_of(name)


def test_segments_that_stay_attached_are_shared_memory(tmp_path: Path) -> None:
    """A container may have 64 MB for them, and the program takes 40 a fold."""
    free = shutil.disk_usage(SHARED_MEMORY).free if os.path.isdir(SHARED_MEMORY) else 0
    need(free >= 256 * MEBIBYTE, "256 MB of /dev/shm")
    assert nature_of("shared_segments", tmp_path) == truth_of("shared_segments")


def test_what_jemalloc_keeps_is_kept_by_malloc(tmp_path: Path) -> None:
    """Which malloc it is, is found in the process."""
    need(os.path.exists(LIBRARY), f"{LIBRARY} (Debian's package libjemalloc2)")
    assert nature_of("jemalloc_dirty", tmp_path) == truth_of("jemalloc_dirty")
