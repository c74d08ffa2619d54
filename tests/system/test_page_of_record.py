"""The page of record: a real leak in a real cgroup is told of before its limit is hit, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.leak import LIMIT, measure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

SCALE = 20.0
TEN_MINUTES = 600.0


@pytest.mark.prometheus
@pytest.mark.slow
def test_a_leak_that_fills_the_limit_in_ten_minutes_is_told_a_minute_before(
    pids_cgroup: RealCgroup, tmp_path: Path
) -> None:
    """Process, cgroup, Prometheus, Alertmanager and webhook are real; time runs 20 times as fast."""
    pids_cgroup.limit(LIMIT)
    told = measure(tmp_path, pids_cgroup.folder, fill_seconds=TEN_MINUTES, scale=SCALE)
    for way in (told.engine, told.prometheus):
        assert way.lead_seconds is not None
        assert way.lead_seconds >= 60
        assert way.hit_said_after_seconds is not None
        assert way.hit_said_after_seconds < 90
    assert told.engine.first == "FoldwatchCeilingWithinHour"
    # So that an Alertmanager that both tell has one alert.
    assert told.engine.near_labels == told.prometheus.near_labels != {}
