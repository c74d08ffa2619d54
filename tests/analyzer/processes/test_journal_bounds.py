"""What a journal holds does not rule the memory that it takes to judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.processes.from_journal import MOST_POOLS, read_journal
from tests.support.builders import NOW, reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path


def test_of_pools_without_end_the_largest_are_kept(tmp_path: Path) -> None:
    """In every reading that is kept."""
    pools = {f"pool {number}": number for number in range(2000)}
    journal = write_journal(tmp_path, reading(1, pools=pools), reading(2, NOW + 1, pools=pools))
    (process,) = read_journal(journal).processes
    assert process.last_reading is not None
    kept = process.last_reading.pools
    assert kept == {f"pool {number}": number for number in range(2000 - MOST_POOLS, 2000)}
