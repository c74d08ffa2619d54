"""Every resource that is recorded is judged: descriptors, children, their memory, the cgroup's, the GPU's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from telemetry.reading import LimitState
from tests.support.builders import reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.reading import Limit

GIB = 2**30
LEAKS: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    # by resource: the values of the first fold, and what each later fold adds
    "open_fds": ({"open_fds": 60}, {"open_fds": 3_000}),
    "descendants": ({"descendants": 4}, {"descendants": 20}),
    "tree_rss_bytes": (
        {"descendants": 4, "tree_rss_bytes": GIB},
        {"tree_rss_bytes": 160 * 2**20},
    ),
    "tree_threads": ({"descendants": 4, "tree_threads": 40}, {"tree_threads": 64}),
    "cgroup_memory_bytes": ({"cgroup_memory_bytes": GIB}, {"cgroup_memory_bytes": GIB}),
    "gpu_memory_used_bytes": ({"gpu_memory_used_bytes": GIB}, {"gpu_memory_used_bytes": GIB}),
}
LIMITS = {
    "pids_cgroup": 7_680,
    "max_map_count": 65_530,
    "open_files": 20_000,
    "cgroup_memory": 64 * GIB,
    "gpu_memory": 80 * GIB,
}


def journal(folder: Path, start: dict[str, int], step: dict[str, int], *, folds: int = 5) -> str:
    records = []
    for fold in range(1, folds + 1):
        for number, stage in enumerate(("START", "END")):
            values: dict[str, Any] = {
                name: value + step.get(name, 0) * (fold - 1) for name, value in start.items()
            }
            calm = {"threads": 12, "maps": 2_000, "rss_bytes": GIB, "cgroup_pids": 30}
            records.append(
                reading(
                    fold,
                    float(10 * fold + number),
                    stage=stage,
                    folds=folds,
                    limits=LIMITS,
                    **(calm | values),
                )
            )
    return write_journal(folder, *records)


@pytest.mark.parametrize("resource", LEAKS)
def test_a_leak_of_what_is_recorded_is_growing(tmp_path: Path, resource: str) -> None:
    """With the limit that it comes nearer to, where there is one."""
    analysis = analyze(journal(tmp_path, *LEAKS[resource]))
    (found,) = analysis.findings
    assert found.growth[resource].verdict in {"growing", "critical"}
    assert {n for n, g in found.growth.items() if g.verdict.is_alarming} == {resource}
    assert analysis.is_alarming
    assert found.remedies


@pytest.mark.parametrize("resource", LEAKS)
def test_what_stays_is_stable(tmp_path: Path, resource: str) -> None:
    """And what was not recorded is not judged."""
    analysis = analyze(journal(tmp_path, LEAKS[resource][0], {}))
    (found,) = analysis.findings
    assert found.growth[resource].verdict == "stable"
    assert not analysis.is_alarming
    others = {name for name in LEAKS if name not in LEAKS[resource][0]}
    assert not others & found.growth.keys()


def test_next_to_nothing_is_not_growing(tmp_path: Path) -> None:
    """A thread a fold of sixteen, and 1.5 MB of 15, far from every limit."""
    start = {"threads": 16, "rss_bytes": 15 * 2**20}
    step = {"threads": 1, "rss_bytes": 3 * 2**19}
    (found,) = analyze(journal(tmp_path, start, step, folds=6)).findings
    assert found.growth["threads"].verdict == "slow"
    assert found.growth["rss_bytes"].verdict == "slow"


@pytest.mark.parametrize(
    ("cgroup", "host", "expected"),
    [
        (LimitState.UNLIMITED, 23 * GIB, 23 * GIB),
        (8 * GIB, 23 * GIB, 8 * GIB),
        (64 * GIB, 23 * GIB, 23 * GIB),
        (LimitState.UNLIMITED, None, None),
    ],
)
def test_memory_rises_towards_the_lower_limit_of_cgroup_and_host(
    tmp_path: Path, cgroup: Limit, host: int | None, expected: int | None
) -> None:
    """A journal from before the host's was read has none."""
    limits: dict[str, Limit] = {"cgroup_memory": cgroup}
    if host is not None:
        limits["host_memory"] = host
    levels = [GIB + fold * GIB // 2 for fold in range(5)]
    readings = [
        reading(fold, float(fold), folds=6, rss_bytes=level, limits=limits)
        for fold, level in enumerate(levels, start=1)
    ]
    (found,) = analyze([write_journal(tmp_path, *readings)]).findings
    growth = found.growth["rss_bytes"]
    assert (growth.verdict, growth.limit) == ("growing", expected)
    left = None if expected is None else (expected - 3 * GIB) / (GIB / 2)
    assert growth.folds_to_limit == left


def test_the_memory_of_a_cgroup_without_a_limit_is_the_hosts(tmp_path: Path) -> None:
    """Other programs are in it, so it says nothing of this one."""
    records = [
        reading(fold, float(fold), cgroup_memory_bytes=fold * GIB, limits={}) for fold in (1, 2, 3)
    ]
    (found,) = analyze(write_journal(tmp_path, *records)).findings
    assert "cgroup_memory_bytes" not in found.growth
