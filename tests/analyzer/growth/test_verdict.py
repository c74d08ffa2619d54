"""Growth, on series whose truth is known; false alarms first."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.growth.trend import Trend
from analyzer.growth.verdict import EPOCHS, Growth, Verdict, judge, judge_isolated
from benchmarks.growth_rates import KINDS, MAY_BE, SEEDS, SELDOM

if TYPE_CHECKING:
    from collections.abc import Sequence

ALARMS = {"growing", "critical"}


def series(*stages: Sequence[float]) -> dict[str, dict[int, float]]:
    """Give stages with their values at folds 1, 2, ..."""
    return {f"stage {n}": dict(enumerate(values, start=1)) for n, values in enumerate(stages)}


def verdict(*stages: Sequence[float], floor: float = 0.5, **more: Any) -> str:
    return judge(series(*stages), floor=floor, **more).verdict


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([8, 15, 15, 15, 15], "warm-up"),
        ([8, 15, 15], "warm-up"),
        ([15, 15, 15], "stable"),
        ([15, 15, 15, 15, 15, 15], "stable"),
        ([8, 15, 10, 15, 10, 15, 10], "warm-up"),
        ([15, 15, 99, 15, 15, 15, 15], "stable"),
        ([99, 50, 40, 30, 20, 10], "stable"),
        ([0, 100, 150, 175, 187, 193, 196], "warm-up"),
        ([10, 50, 70, 78, 81, 82, 82, 83], "warm-up"),
        ([0, 0, 0, 0], "stable"),
        ([1000.0, 1000.1, 1000.2, 1000.3, 1000.4], "stable"),
    ],
)
def test_no_false_alarm(values: list[float], expected: str) -> None:
    """Warm-up, saw-tooth, one spike, falling, levelling off, flat, under the floor."""
    assert verdict(values, values) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_wrong_verdicts_are_rare(name: str) -> None:
    """By kind, over some hundred seeds with room for chance; growth_rates.py runs thousands."""
    kind = KINDS[name]
    seeds = 25 if kind.seeds < SEEDS else 300
    for is_near_limit in {False, not kind.grows}:
        wrong = kind.rate(seeds, is_near_limit=is_near_limit)
        assert wrong <= MAY_BE.get(name, SELDOM) + 0.02


@pytest.mark.slow
def test_a_long_series_is_judged_in_bounded_memory() -> None:
    """10,000 folds at 200 stages: no more pairs than of 60 laps, and memory for a copy of the series."""
    values = {fold: 100.0 + 5 * fold for fold in range(1, 10_001)}
    stages = {f"stage {n}": values for n in range(200)}
    assert len(Trend({name: cast("Any", values) for name in stages})._pairs) <= 60 * 59 / 2  # noqa: SLF001 - their number is the memory
    tracemalloc.start()
    growth = judge(stages, floor=0.5, axis=EPOCHS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * 10_000 * 64
    assert growth.slope == pytest.approx(5)
    assert (growth.verdict, growth.unit) == ("growing", "epoch")


@pytest.mark.parametrize("laps_of_a_stage", [3, 4, 5])
def test_many_stages_of_a_few_folds_each_are_judged(laps_of_a_stage: int) -> None:
    """No stage reaches from one block of folds into another, and each rises by 5 a fold."""
    stages = {
        f"stage {n}": {n * laps_of_a_stage + lap: 100.0 + 5 * lap for lap in range(laps_of_a_stage)}
        for n in range(60)
    }
    growth = judge(stages, floor=0.5)
    assert growth.slope == pytest.approx(5)


def test_a_leak_that_was_mended_half_way_is_judged_by_its_later_half() -> None:
    """It rose for 30 folds and is flat since: what goes on is flat."""
    values = [100.0 + 10 * min(fold, 30) for fold in range(60)]
    assert verdict(values, values) == "warm-up"
    slower = [100.0 + 10 * min(fold, 30) + 6 * max(0, fold - 30) for fold in range(60)]
    growth = judge(series(slower), floor=0.5)
    assert (growth.verdict, growth.slope) == ("growing", 6)


@pytest.mark.parametrize("folds", [4, 5, 8])
@pytest.mark.parametrize(("step", "start"), [(8, 22), (730, 1850), (550 * 2**20, 1200 * 2**20)])
def test_no_miss(folds: int, step: int, start: int) -> None:
    """8 threads, 730 maps and 550 MB a fold, with a warm-up before them."""
    values = [start // 2, *(start + step * fold for fold in range(folds - 1))]
    growth = judge(series(values, values), floor=0.5)
    assert growth.verdict == "growing"
    assert growth.slope == growth.slope_low == growth.slope_high == step


def test_exactly_two_steps() -> None:
    """Growing only if both rise and are alike, or are carried over from fold to fold."""
    assert verdict([1850, 2580, 3310]) == "growing"
    assert verdict([100, 200, 291]) == "growing"
    assert verdict([100, 200, 289]) == "inconclusive"
    assert verdict([100, 200, 401]) == "inconclusive"
    carried = series([100, 200, 270], [150, 240, 310], [200, 270, 340])
    assert judge(carried, floor=0.5).verdict == "growing"
    jumping = series([100, 200, 270], [150, 240, 310], [120, 210, 280])
    assert judge(jumping, floor=0.5).verdict == "inconclusive"
    mixed = series([100, 200, 300], [100, 200, 300], [100, 90, 95])
    assert judge(mixed, floor=0.5).reason.startswith("only 67% of the stages rise")
    assert verdict([100, 200, 200]) == "warm-up"
    assert verdict([100, 100, 200]) == "inconclusive"
    assert verdict([200, 100, 100]) == "stable"


def test_too_few_folds_are_inconclusive_and_say_what_would_tell() -> None:
    """One fold, and one step."""
    for values in ([1], [1, 2]):
        growth = judge(series(values), floor=0.5)
        assert growth.verdict == "inconclusive"
        assert "more fold" in growth.reason
    assert judge({}, floor=0.5).verdict == "inconclusive"


def test_a_small_real_rise_is_slow_until_the_limit_is_near() -> None:
    """Under 5 % a fold and more than 100 folds away; the same rise next to a limit grows."""
    values = [1000, 1900, 1904, 1908, 1912, 1916]
    assert verdict(values) == "slow"
    assert verdict(values, limit=65530, level_at_end=1916) == "slow"
    assert verdict(values, limit=2200, level_at_end=1700) == "slow"
    assert verdict(values, limit=2300, level_at_end=1916) == "critical"
    assert verdict(values, limit=2600, level_at_end=2000) == "slow"
    assert verdict([1000, 1900, 1910, 1920, 1930], limit=2600, level_at_end=2000) == "growing"


def test_growth_is_critical_where_the_limit_falls_inside_the_run() -> None:
    """By the folds planned, by usage, and by the peak between labels."""
    values = [1850, 2580, 3310, 4040]
    assert verdict(values, limit=65530, level_at_end=4040, folds_planned=5) == "growing"
    assert verdict(values, limit=10000, level_at_end=4040, folds_planned=5) == "growing"
    assert verdict(values, limit=10000, level_at_end=4040, folds_planned=20) == "critical"
    assert verdict(values, limit=5000, level_at_end=4040, folds_planned=4) == "critical"
    assert verdict(values, limit=5000, level_at_end=3000, folds_planned=4) == "growing"


def test_folds_to_the_limit_count_from_the_peak() -> None:
    """(limit - peak) / slope, and never below 0."""
    growth = judge(series([0, 10, 20, 30]), floor=0.5, limit=100, level_at_end=40)
    assert growth.folds_to_limit == 6
    growth = judge(series([0, 10, 20, 30]), floor=0.5, limit=100, level_at_end=140)
    assert growth.folds_to_limit == 0


def test_a_fold_that_was_cut_short_counts_where_it_got_to() -> None:
    """The incident: fold 3 died after Stage 1, so its later stages have two folds only."""
    stages = series([1850, 2580, 3310], [2585, 3315])
    assert judge(stages, floor=1).slope == 730


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=9),
    st.lists(st.floats(0, 1e6), max_size=9),
    st.none() | st.integers(0, 10**6),
)
def test_any_series_has_a_verdict(one: list[float], two: list[float], limit: int | None) -> None:
    """No exception, and an interval that holds its slope."""
    growth = judge(series(one, two), floor=0.5, level_at_end=max(one), limit=limit, folds_planned=9)
    assert growth.reason
    if growth.slope is not None and len(one) > 3:
        assert growth.slope_low is not None
        assert growth.slope_high is not None
        assert growth.slope_low <= growth.slope_high


@given(
    st.dictionaries(
        st.integers(0, 500).map(str),
        st.dictionaries(st.integers(0, 400), st.floats(0, 1e6), max_size=9),
        max_size=80,
    )
)
def test_stages_that_few_folds_reached_have_a_verdict(stages: dict[str, dict[int, float]]) -> None:
    """No exception, whatever stages are missing in which folds."""
    assert judge(stages, floor=0.5).reason


def test_the_slope_is_sen_s() -> None:
    """Sen (1968) on one season, against the definition by hand; one wild value does not move it."""
    points = [(1.0, 1.0), (2.0, 2.0), (3.0, 300.0), (4.0, 4.0), (5.0, 5.0)]
    assert Trend({"a": dict(points)}).slope().value == 1.0


def test_isolated_folds_never_grow() -> None:
    """A process per fold: alike is stable, unlike is no verdict, growing is neither."""
    assert judge_isolated(series([100, 101, 102])).verdict == "stable"
    assert judge_isolated(series([100, 200, 300])).verdict == "inconclusive"
    assert judge_isolated({"a": {1: 5.0}, "b": {2: 5.0}}) == Growth(
        verdict=Verdict.INCONCLUSIVE, reason="no stage was reached by two folds"
    )
