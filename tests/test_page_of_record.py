"""The page of record: a real leak in a real cgroup is told of before its limit is hit, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.leak import LIMIT, measure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import RealCgroup

SCALE = 15.0
TEN_MINUTES = 600.0


def test_a_leak_that_fills_the_limit_in_ten_minutes_is_told_a_minute_before(
    pids_cgroup: RealCgroup, tmp_path: Path
) -> None:
    """Process, cgroup, Prometheus, Alertmanager and webhook are real; time runs 15 times as fast."""
    pids_cgroup.limit(LIMIT)
    lead = measure(tmp_path, pids_cgroup.folder, fill_seconds=TEN_MINUTES, scale=SCALE)
    print(lead)
    assert lead.engine is not None
    assert lead.prometheus is not None
    assert lead.engine >= 60
    assert lead.prometheus >= 60
    assert lead.first_alerts == ("FoldwatchCeilingWithinHour", "FoldwatchCeilingWithinHour")
    assert all(after is not None and after < 90 for after in lead.hit_alerts)
