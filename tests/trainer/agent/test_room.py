"""Whether a fresh process fits on its host, and what is told where it does not."""

from __future__ import annotations

import pytest

from telemetry.reading import Reading
from trainer.agent.room import Shortage, shortage_for_first_fold


@pytest.mark.parametrize(
    ("shortage", "words"),
    [
        (
            Shortage("open_files", 50, 40.8, "80% of the limit is"),
            "open_files: forecast peak 50, 80% of the limit is 41",
        ),
        (
            Shortage("cgroup_memory", 900 * 2**20, 0.8 * 2**30, "80% of the limit is"),
            "cgroup_memory: forecast peak 900 MB, 80% of the limit is 819 MB",
        ),
        (
            Shortage("pids_cgroup", 11, 10, "headroom"),
            "pids_cgroup: forecast peak 11, headroom 10",
        ),
        (
            Shortage("memory", 2**30, 2**29, "free"),
            "memory: forecast peak 1,024 MB, free 512 MB",
        ),
    ],
)
def test_a_shortage_in_words(shortage: Shortage, words: str) -> None:
    """With its numbers, sizes in MB."""
    assert str(shortage) == words


def test_a_fresh_process_must_fit_into_the_headroom() -> None:
    """Of the tasks and of the memory; what does not bind, or was never measured, refuses nothing."""
    runner = Reading(
        time=0.0,
        pid=1,
        cgroup_pids=90,
        user_tasks=100,
        is_exempt_from_nproc=True,
        limits={"pids_cgroup": 100, "nproc": 100},
    )
    assert shortage_for_first_fold({}, runner, free_memory_bytes=0) is None
    assert shortage_for_first_fold({"tree_threads": 10}, runner, free_memory_bytes=None) is None
    shortage = shortage_for_first_fold({"tree_threads": 11}, runner, free_memory_bytes=None)
    assert shortage == Shortage("pids_cgroup", 11, 10, "headroom")
    need = {"rss_bytes": 2**30}
    assert shortage_for_first_fold(need, runner, free_memory_bytes=2**30) is None
    shortage = shortage_for_first_fold(need, runner, free_memory_bytes=2**29)
    assert shortage == Shortage("memory", 2**30, 2**29, "free")
