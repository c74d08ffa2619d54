"""The slope and its interval, held against SciPy's."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from analyzer.growth.trend import Trend


def noisy(laps: int, *, slope: float, seed: int) -> list[float]:
    """Give a line with noise as large as ten laps' rise."""
    numbers = random.Random(seed)
    return [slope * lap + numbers.gauss(0, 10 * abs(slope)) for lap in range(laps)]


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("laps", [4, 6, 9, 17, 40, 60])
def test_one_stage_is_theil_and_sen(laps: int, seed: int) -> None:
    """The same slope; the interval's ends are at most one rank away."""
    values = noisy(laps, slope=2.0, seed=seed)
    own = Trend({"fit": dict(enumerate(values))}).slope()
    known = stats.theilslopes(values, range(laps), alpha=0.95)
    assert own.value == pytest.approx(known.slope)
    ordered = sorted(
        (values[later] - values[lap]) / (later - lap)
        for lap in range(laps)
        for later in range(lap + 1, laps)
    )
    for end, expected in ((own.low, known.low_slope), (own.high, known.high_slope)):
        rank = min(range(len(ordered)), key=lambda at: abs(ordered[at] - expected))
        nearest = ordered[max(0, rank - 1) : rank + 2]
        assert any(end == pytest.approx(value) for value in nearest), (end, expected)


@pytest.mark.parametrize("seed", range(25))
def test_several_stages_are_seasons(seed: int) -> None:
    """Pooled over the stages: Sen's seasonal slope."""
    laps, stages = 9, 4
    columns = [noisy(laps, slope=1.5, seed=100 * seed + stage) for stage in range(stages)]
    own = Trend({str(n): dict(enumerate(values)) for n, values in enumerate(columns)}).slope()
    rows = list(map(list, zip(*columns, strict=True)))
    _, pooled = stats.mstats.sen_seasonal_slopes(rows)
    assert own.value == pytest.approx(float(pooled))
