"""Page cache in a memory cgroup: the keys of both versions, and a real file in a real cgroup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.kernel.memory_stat import parse_reclaimable
from tests.support.programs import run_python

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES = 48 * 2**20


def test_v1_counts_the_levels_below_and_v2_does_anyway() -> None:
    """v1's plain keys are the own level's alone; tmpfs is nowhere among them."""
    v1 = b"cache 99\ninactive_file 1\nactive_file 2\ntotal_inactive_file 10\ntotal_active_file 20\n"
    v2 = b"anon 99\nfile 99\nshmem 50\ninactive_file 1\nactive_file 2\nslab_reclaimable 4\n"
    assert (parse_reclaimable(v1), parse_reclaimable(v2)) == (30, 7)


def test_a_file_without_the_keys_says_nothing() -> None:
    """None, never 0."""
    assert parse_reclaimable(b"rss 5\n") is None


def test_a_file_that_was_written_is_used_memory_that_can_be_taken_back(
    memory_cgroup: str, tmp_path: Path
) -> None:
    """48 MB of page cache: all of it in both numbers."""
    outcome = run_python("-m", "tests.scripts.written_file", memory_cgroup, str(tmp_path / "data"))
    used, reclaimable = map(int, outcome.out.split())
    assert FILE_BYTES <= reclaimable < used
