"""Whether the next fold fits: false alarms first."""

from __future__ import annotations

import pytest

from telemetry.reading import LimitState
from trainer.runner.forecast import USABLE, next_peak, shortage_for_next_fold


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ([100], 100),
        ([100, 100, 100], 100),
        ([100, 300, 300, 300], 300),  # warm-up alone
        ([100, 300, 305, 299, 302], 305),  # and the noise after it
        ([100, 90], 100),
        ([300, 100, 300, 100], 300),  # a saw-tooth
        ([100, 150], 200),  # one step: it may be warm-up, and it may go on
        ([100, 180, 260, 340], 420),
        ([100, 200, 210, 225, 240], 255),  # the steps after warm-up
    ],
)
def test_the_next_peak(peaks: list[int], expected: float) -> None:
    """The highest so far, and a step more only where there is growth."""
    assert next_peak(peaks) == pytest.approx(expected, abs=4 if len(peaks) == 5 else 0)


def test_no_limit_is_no_reason_to_recycle() -> None:
    """Unlimited, unreadable, or not measured."""
    peaks = [{"maps": 60_000}, {"maps": 65_000}]
    assert shortage_for_next_fold(peaks, {}) is None
    assert shortage_for_next_fold(peaks, {"max_map_count": LimitState.UNLIMITED}) is None
    assert shortage_for_next_fold(peaks, {"open_files": 10}) is None
    assert shortage_for_next_fold([], {"max_map_count": 1}) is None


def test_one_fold_more_only_under_80_percent_of_every_ceiling() -> None:
    """At 80 % exactly it still goes on; the tightest ceiling is named with its numbers."""
    peaks = [{"maps": 600, "open_fds": 50}, {"maps": 700, "open_fds": 50}]
    assert shortage_for_next_fold(peaks, {"max_map_count": 1000, "open_files": 1000}) is None
    shortage = shortage_for_next_fold(peaks, {"max_map_count": 999, "open_files": 51})
    assert shortage is not None
    assert (shortage.limit, shortage.needed) == ("open_files", 50)
    assert shortage.available == pytest.approx(USABLE * 51)
    shortage = shortage_for_next_fold([{"rss_bytes": 900 * 2**20}], {"cgroup_memory": 2**30})
    assert shortage is not None
    assert (shortage.limit, shortage.needed) == ("cgroup_memory", 900 * 2**20)
    assert shortage.available == pytest.approx(USABLE * 2**30)
