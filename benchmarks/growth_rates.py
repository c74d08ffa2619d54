"""How often the growth verdict is wrong, by kind of series, over thousands of random ones.

`KINDS` is the truth: each kind makes series from a seed, and says whether they grow.
"""

from __future__ import annotations

import functools
import json
import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from analyzer.growth.over_time import judge_readings
from analyzer.growth.verdict import EPOCHS, FOLDS, Axis, judge
from benchmarks.readings_over_time import HEALTHY, LEAKS, Record, Shape, record

SEEDS = 4000
LONG_SEEDS = SEEDS // 10
"""For epochs and over time, where series are a hundred times as long."""
NEAR_LIMIT = {"fold": 5000, "epoch": 900}
"""By unit, a limit that the highest series nearly meet, so that a small slope counts as well."""
NEAR_SHARE = 1.05
"""Of the highest value of a record over time, such a limit."""
ALARMS = {"growing", "critical"}
Series: TypeAlias = Mapping[str, Mapping[int, float]]
FEW_FOLDS = (3, 4, 5, 6, 8, 12)
PROFILE = (1.0, 1.1, 1.35, 1.5, 1.3, 1.05)
"""A fold's stages over its start: pools come, work and go."""


def laps(
    chance: random.Random, levels: Sequence[float], *, own: float = 0.0, stages: int = 6
) -> Series:
    """Spread a level per fold over stages that each have ``own`` noise as well."""
    return {
        f"stage {stage}": {
            lap: level + levels[0] * (PROFILE[stage] - 1) + chance.gauss(0, own)
            for lap, level in enumerate(levels, start=1)
        }
        for stage in range(stages)
    }


def noise(folds: int, *, stages: int = 6, shared: float = 0.1, own: float = 0.0) -> Kind:
    """Noise of a share of the level, of the fold as a whole and of each stage."""

    def make(chance: random.Random) -> Series:
        levels = [1000 * (1 + chance.gauss(0, shared)) for _ in range(folds)]
        return laps(chance, levels, own=1000 * own, stages=stages)

    return Kind(make, grows=False)


def warm_up(chance: random.Random) -> Series:
    """One step, then flat with 1 % of noise."""
    folds, step = chance.randint(3, 12), chance.uniform(0.1, 1.0)
    levels = [1000.0] + [1000 * (1 + step) * (1 + chance.gauss(0, 0.01)) for _ in range(folds - 1)]
    return laps(chance, levels, own=5)


def saw_tooth(chance: random.Random) -> Series:
    """Teeth of two to five folds, from any place in one, over two teeth or more."""
    period = chance.randint(2, 5)
    return teeth(chance, period, chance.randint(2 * period + 1, 4 * period + 1))


def teeth(chance: random.Random, period: int, folds: int) -> Series:
    """Teeth of ``period`` folds, from any place in one."""
    phase, height = chance.randrange(period), chance.uniform(50, 500)
    levels = [1000 + height * ((lap + phase) % period) / period for lap in range(folds)]
    return laps(chance, [level * (1 + chance.gauss(0, 0.005)) for level in levels])


def few_teeth(folds: int) -> Kind:
    """Folds that may see one tooth only, or a part of it: there it is like a leak."""
    return Kind(lambda chance: teeth(chance, chance.randint(3, 6), folds), grows=False)


def spike(chance: random.Random) -> Series:
    """Flat with 1 % of noise and one fold that is far higher."""
    folds = chance.randint(4, 12)
    levels = [1000 * (1 + chance.gauss(0, 0.01)) for _ in range(folds)]
    levels[chance.randrange(folds)] *= chance.uniform(1.5, 5)
    return laps(chance, levels)


def levelling(chance: random.Random) -> Series:
    """A rise to twice or four times that halves at each fold or faster, with 2 % of noise."""
    folds, rise = chance.randint(5, 12), chance.uniform(1000, 3000)
    rate = chance.uniform(0.3, 0.6)
    levels = [(1000 + rise * (1 - rate**lap)) * (1 + chance.gauss(0, 0.02)) for lap in range(folds)]
    return laps(chance, levels)


def leak(start: float, step: float, *, folds: tuple[int, int] = (4, 10), own: float = 0.0) -> Kind:
    """``step`` a fold with a warm-up before it, and noise of a share of the step."""

    def make(chance: random.Random) -> Series:
        count = chance.randint(*folds)
        levels = [start / 2, *(start + step * lap for lap in range(count - 1))]
        return laps(chance, levels, own=own * step)

    return Kind(make, grows=True)


def hidden(*, stages: int, is_gaussian: bool) -> Kind:
    """Ten folds of a leak in noise of twice its size: within that range, or with that deviation."""

    def make(chance: random.Random) -> Series:
        def amount() -> float:
            return chance.gauss(0, 200) if is_gaussian else chance.uniform(-200, 200)

        return {
            f"stage {stage}": {lap: 200 + 100 * lap + amount() for lap in range(1, 11)}
            for stage in range(stages)
        }

    return Kind(make, grows=True)


def epochs(shape: Callable[[random.Random, int], Callable[[int], float]], *, grows: bool) -> Kind:
    """60 to 720 epochs of one fit, with noise of 2 threads."""

    def make(chance: random.Random) -> Series:
        count = chance.randint(60, 720)
        level = shape(chance, count)
        return {"fit": {e: 130 + level(e) + chance.gauss(0, 2) for e in range(1, count + 1)}}

    return Kind(make, grows=grows, verdict=by_epoch, seeds=LONG_SEEDS)


def over_time(shape: Shape, *, grows: bool) -> Kind:
    """Readings without folds and epochs."""
    return Kind(
        lambda chance: record(chance, shape), grows=grows, verdict=without_laps, seeds=LONG_SEEDS
    )


def _flat(_: random.Random, __: int) -> Callable[[int], float]:
    return lambda _: 0.0


def _teeth(chance: random.Random, count: int) -> Callable[[int], float]:
    """Three teeth or more."""
    period = chance.randint(3, count // 3)
    phase, height = chance.randrange(period), chance.uniform(20, 400)
    return lambda epoch: height * ((epoch + phase) % period) / period


def _settling(chance: random.Random, count: int) -> Callable[[int], float]:
    height, epochs_long = chance.uniform(50, 400), chance.uniform(2, count / 6)
    return lambda epoch: height * (1 - math.exp(-epoch / epochs_long))


def _leaking(chance: random.Random, _: int) -> Callable[[int], float]:
    """Five an epoch; in half of them with threads that come and go as well."""
    teeth = chance.choice([0.0, 60.0])
    return lambda epoch: 5.0 * epoch + teeth * (epoch % 10) / 10


def by_fold(series: Series, is_near_limit: bool, *, axis: Axis = FOLDS) -> str:  # noqa: FBT001 - as `Kind.verdict` is called
    """Judge from fold to fold."""
    return judge(
        series,
        floor=0.5,
        limit=NEAR_LIMIT[axis.unit] if is_near_limit else None,
        level_at_end=max(max(values.values()) for values in series.values()),
        axis=axis,
    ).verdict


by_epoch = functools.partial(by_fold, axis=EPOCHS)


def without_laps(readings: Record, is_near_limit: bool) -> str | None:  # noqa: FBT001 - as `Kind.verdict` is called
    """Judge over time, or from reading to reading."""
    highest = max(readings.values)
    limit = round(NEAR_SHARE * highest) if is_near_limit else None
    growth = judge_readings(*readings, floor=1.0, limit=limit, level_at_end=highest)
    return None if growth is None else growth.verdict


@dataclass(frozen=True)
class Kind:
    """A way to make series, and the truth of them."""

    make: Callable[[random.Random], Any]
    grows: bool
    verdict: Callable[[Any, bool], str | None] = by_fold
    """Of what ``make`` made, without a limit or with a near one."""
    seeds: int = SEEDS

    def rate(self, seeds: int, *, is_near_limit: bool = False, first: int = 0) -> float:
        """Return the share of wrong verdicts: alarms where nothing grows, none where it does."""
        made = (self.make(random.Random(seed)) for seed in range(first, first + seeds))
        alarms = (self.verdict(one, is_near_limit) in ALARMS for one in made)
        return sum(alarm != self.grows for alarm in alarms) / seeds


KINDS: Mapping[str, Kind] = {
    "3 folds of noise that a fold shares": noise(3),
    "3 folds of noise of each stage": noise(3, shared=0, own=0.1),
    "3 folds of both kinds of noise": noise(3, own=0.05),
    "3 folds of noise at one stage": noise(3, stages=1),
    "4 folds of noise that a fold shares": noise(4),
    "5 folds of noise that a fold shares": noise(5),
    "6 folds of noise that a fold shares": noise(6),
    "10 folds of noise of each stage": noise(10, shared=0, own=0.1),
    "30 folds of noise that a fold shares": noise(30),
    "warm-up, then flat": Kind(warm_up, grows=False),
    "saw-tooth": Kind(saw_tooth, grows=False),
    **{f"{folds} folds of a saw-tooth of three or more": few_teeth(folds) for folds in FEW_FOLDS},
    "one spike": Kind(spike, grows=False),
    "a rise that levels off": Kind(levelling, grows=False),
    "epochs: flat with noise": epochs(_flat, grows=False),
    "epochs: saw-tooth": epochs(_teeth, grows=False),
    "epochs: a rise that levels off": epochs(_settling, grows=False),
    "8 threads a fold": leak(22, 8),
    "8 threads a fold, noise of 2": leak(22, 8, own=0.25),
    "730 maps a fold": leak(1850, 730, own=0.05),
    "550 MB a fold": leak(1200, 550, own=0.05),
    "730 maps a fold, 3 folds": leak(1850, 730, folds=(4, 4)),
    "growth in noise up to twice its size, one stage": hidden(stages=1, is_gaussian=False),
    "growth in noise up to twice its size, four stages": hidden(stages=4, is_gaussian=False),
    "growth in noise of twice its deviation, one stage": hidden(stages=1, is_gaussian=True),
    "growth in noise of twice its deviation, four stages": hidden(stages=4, is_gaussian=True),
    "5 threads an epoch": epochs(_leaking, grows=True),
    **{f"over time: {name}": over_time(shape, grows=False) for name, shape in HEALTHY.items()},
    **{f"over time: {name}": over_time(shape, grows=True) for name, shape in LEAKS.items()},
}


MAY_BE: Mapping[str, float] = {
    "3 folds of a saw-tooth of three or more": 0.32,
    "4 folds of a saw-tooth of three or more": 0.22,
    "5 folds of a saw-tooth of three or more": 0.11,
    "6 folds of a saw-tooth of three or more": 0.12,
    "3 folds of noise that a fold shares": 0.025,
    "3 folds of both kinds of noise": 0.02,
    "3 folds of noise at one stage": 0.02,
    "4 folds of noise that a fold shares": 0.02,
    "6 folds of noise that a fold shares": 0.015,
    "one spike": 0.01,
    "a rise that levels off": 0.02,
    "8 threads a fold, noise of 2": 0.03,
    "growth in noise up to twice its size, one stage": 0.03,
    "growth in noise of twice its deviation, one stage": 0.25,
    "growth in noise of twice its deviation, four stages": 0.02,
    "over time: two to six even steps": 0.01,
    "over time: a leak of 50 %, noise of 2 %": 0.2,
    "over time: a leak of 100 %, noise of 2 %": 0.05,
    "over time: a leak of 100 %, noise of 5 % that wanders": 0.5,
    "over time: a leak of 200 %, noise of 10 %": 0.3,
}
"""How often each kind may be judged wrong; of those not named here, once in 200."""
SELDOM = 0.005


def main(first: int = 0) -> None:
    """Print one JSON object per kind, of the seeds from ``first`` on.

    Series that do not grow are judged with a near limit, too.
    """
    for name, kind in KINDS.items():
        result = {
            "kind": name,
            "grows": kind.grows,
            "seeds": kind.seeds,
            "wrong": kind.rate(kind.seeds, first=first),
            "may_be": MAY_BE.get(name, SELDOM),
        }
        if not kind.grows:
            result["wrong_near_limit"] = kind.rate(kind.seeds, is_near_limit=True, first=first)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
