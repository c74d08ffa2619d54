"""What a reading says of the children of its process: which binds, and what of them is still known."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.reading import LimitState, latest_known
from tests.support.builders import child, reading

LIMITS = {"max_map_count": 1000, "open_files": 1000}


@pytest.mark.parametrize(
    ("own", "maps", "fds", "expected"),
    [
        ({"maps": 500}, 600, 10, "max_map_count"),
        ({"maps": 500}, 400, 10, None),
        ({"maps": 500}, 10, 900, "open_files"),
        ({"maps": 700}, 600, 10, None),
        ({"maps": 100, "open_fds": 650}, 600, 10, None),  # the process is nearer to another limit
        ({}, 1, None, "max_map_count"),
        ({}, None, None, None),
    ],
)
def test_a_child_binds_if_it_is_nearer_to_its_limit_than_the_process_to_any(
    own: dict[str, Any], maps: int | None, fds: int | None, expected: str | None
) -> None:
    """By its own limit of descriptors."""
    one = child(maps=maps, open_fds=fds, limits=LIMITS)
    idle = child(5, maps=0, open_fds=0, limits=LIMITS)
    found = reading(limits=LIMITS, children=(idle, one), **own)
    assert found.binding_child is (one if expected else None)
    if expected:
        assert one.binding == expected
        assert found.fullest_child(expected) is one


def test_a_limit_that_all_share_is_no_child_s() -> None:
    """The cgroup's counter counts them all."""
    found = reading(cgroup_pids=1, limits={"pids_cgroup": 100}, children=(child(maps=65000),))
    assert found.fullest_child("pids_cgroup") is None
    assert child(limits={"open_files": LimitState.UNLIMITED}).binding is None


def test_a_child_s_maps_that_were_not_counted_are_those_of_before() -> None:
    """Of the same process only: a PID alone is reused."""
    before = reading(children=(child(1, maps=50, pss_bytes=7), child(2, maps=60)))
    after = reading(children=(child(1, maps=None), child(2, maps=None, start_ticks=6)))
    known = latest_known(before, after).children
    assert known is not None
    assert [(one.maps, one.pss_bytes) for one in known] == [(50, 7), (None, None)]
    assert latest_known(before, reading()).children == before.children
    assert latest_known(before, reading(children=())).children == ()
