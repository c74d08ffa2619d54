"""Kinds of records without folds or epochs, with the truth of them: what healthy runs do over time, and leaks.

A level of a thousand stands for a gigabyte. A record has 30 to 4,000 readings; half of them have times.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from analyzer.growth.over_time import LOADING_SECONDS

Values: TypeAlias = Sequence[float]
Shape: TypeAlias = Callable[[random.Random, int], Values]
LEVEL = 1000.0
FEWEST, MOST = 30, 4_000
SHORTEST, LONGEST = 400, 12 * 3600
"""Seconds."""


def between(chance: random.Random, low: float, high: float) -> float:
    """Draw from a range of several magnitudes."""
    return math.exp(chance.uniform(math.log(low), math.log(high)))


class Record(NamedTuple):
    """What was read, and when; None for the times where nothing tells."""

    values: Values
    times: Values | None


def record(chance: random.Random, shape: Shape) -> Record:
    """Make a record; data is loaded in under an hour."""
    count = int(between(chance, FEWEST, MOST))
    values = shape(chance, count)
    if chance.random() < 0.5:
        return Record(values, None)
    longest = LOADING_SECONDS if shape is loading else LONGEST
    step = between(chance, SHORTEST, longest) / count
    times = [step * (number + chance.uniform(-0.3, 0.3)) for number in range(count)]
    return Record(values, times)


def _noisy(chance: random.Random, values: Values, deviation: float) -> Values:
    return [value + chance.gauss(0, deviation) for value in values]


def wandering(chance: random.Random, count: int, deviation: float, memory: float) -> Values:
    """Return noise that is forgotten after ``memory`` readings: an AR(1) process."""
    kept = math.exp(-1 / memory)
    step = deviation * math.sqrt(1 - kept**2)
    start = chance.gauss(0, deviation)
    noise = (chance.gauss(0, step) for _ in range(count - 1))
    return list(accumulate(noise, lambda before, new: kept * before + new, initial=start))


def flat(chance: random.Random, count: int) -> Values:
    """White noise of up to a fifth of the level."""
    return _noisy(chance, [LEVEL] * count, LEVEL * chance.uniform(0, 0.2))


def reverting(chance: random.Random, count: int) -> Values:
    """Wander, and come back after a hundredth of the record or as much as all of it."""
    memory, deviation = count * chance.uniform(0.01, 1), chance.uniform(20, 400)
    return [LEVEL + value for value in wandering(chance, count, deviation, memory)]


def walking(chance: random.Random, count: int) -> Values:
    """Wander without coming back, by a twentieth of the level or most of it."""
    step = chance.uniform(50, 800) / math.sqrt(count)
    steps = (chance.gauss(0, step) for _ in range(count - 1))
    return list(accumulate(steps, lambda level, new: max(50.0, level + new), initial=LEVEL))


def highest_so_far(chance: random.Random, count: int) -> Values:
    """Give the peak so far of noise, as ``max_memory_allocated`` is."""
    spread = chance.uniform(0.05, 0.6)
    return list(accumulate((LEVEL * math.exp(chance.gauss(0, spread)) for _ in range(count)), max))


def highest_of_a_walk(chance: random.Random, count: int) -> Values:
    """Give the peak so far of a value that wanders."""
    return list(accumulate(walking(chance, count), max))


def warming_up(chance: random.Random, count: int) -> Values:
    """Rise along a line for up to three quarters of the record, then stay."""
    end, height = chance.uniform(0, 0.75) * count, between(chance, 200, 5000)
    return _noisy(chance, [500 + height * min(1, at / (end or 1)) for at in range(count)], 5)


def settling(chance: random.Random, count: int) -> Values:
    """Approach a level, by half of it in up to four tenths of the record."""
    pace, height = count * chance.uniform(0.02, 0.6), between(chance, 200, 5000)
    return _noisy(chance, [500 + height * (1 - math.exp(-at / pace)) for at in range(count)], 5)


def logarithm(chance: random.Random, count: int) -> Values:
    """Rise ever slower, and never stop."""
    start, height = count * between(chance, 0.0001, 0.1), between(chance, 100, 1000)
    return _noisy(chance, [500 + height * math.log1p(at / start) for at in range(count)], 5)


def teeth(chance: random.Random, count: int) -> Values:
    """Two teeth of a saw or more, from any place in one: evaluations, collections of garbage."""
    period, height = max(3.0, count * chance.uniform(0.01, 0.5)), between(chance, 100, 3000)
    phase = chance.uniform(0, period)
    line = [LEVEL + height * ((at + phase) % period) / period for at in range(count)]
    return _noisy(chance, line, 10)


def stairs(chance: random.Random, count: int) -> Values:
    """Rise in one to seven steps at any places: what is loaded, built and cached, one after another."""
    at = sorted(chance.uniform(0, count) for _ in range(chance.randint(1, 7)))
    heights = list(accumulate((between(chance, 20, 1000) for _ in at), initial=0.0))
    line = [LEVEL + heights[bisect(at, number)] for number in range(count)]
    return _noisy(chance, line, chance.choice([0, 3, 20]))


def even_stairs(chance: random.Random, count: int) -> Values:
    """Rise in two to six alike steps of alike length."""
    steps, height, phase = chance.randint(2, 6), between(chance, 50, 1000), chance.random()
    line = [LEVEL + height * int(at * steps / count + phase) for at in range(count)]
    return _noisy(chance, line, chance.choice([0, 3, 20]))


def phases(chance: random.Random, count: int) -> Values:
    """Have three to eleven levels, in half of the records each above the one before."""
    at = sorted(chance.uniform(0, count) for _ in range(chance.randint(2, 10)))
    levels = [chance.uniform(500, 4000) for _ in range(len(at) + 1)]
    if chance.random() < 0.5:
        levels.sort()
    return _noisy(chance, [levels[bisect(at, number)] for number in range(count)], 10)


def loading(chance: random.Random, count: int) -> Values:
    """Load data all the time, from little to five times as much or more, and end."""
    start = chance.uniform(20, 500)
    height = start * between(chance, 4, 40)
    return _noisy(chance, [start + height * at / count for at in range(count)], 5)


def leak(share: float, *, noise: float = 0.0, memory: float = 0.0) -> Shape:
    """Rise by ``share`` of the level over the last three quarters, after a warm-up or none.

    With noise of a share of the level, which lasts for ``memory`` of the record; half of the records
    have small teeth as well.
    """

    def make(chance: random.Random, count: int) -> Values:
        start, slope = count * chance.choice([0.01, 0.1, 0.2]), LEVEL * share / (0.75 * count)
        height, period = chance.choice([0, 300]), max(2, count // 100)
        drift = wandering(chance, count, LEVEL * noise, max(0.1, memory * count))
        return [
            LEVEL * min(1, (at + 1) / start) + slope * at + height * (at % period) / period + off
            for at, off in enumerate(drift)
        ]

    return make


HEALTHY: Mapping[str, Shape] = {
    "flat with noise": flat,
    "noise that wanders and comes back": reverting,
    "a random walk": walking,
    "the peak so far of noise": highest_so_far,
    "the peak so far of a random walk": highest_of_a_walk,
    "a warm-up of up to three quarters": warming_up,
    "a rise that levels off": settling,
    "a logarithm": logarithm,
    "saw-tooth": teeth,
    "one to seven steps": stairs,
    "two to six even steps": even_stairs,
    "phases": phases,
    "data is loaded, and the run ends": loading,
}
LEAKS: Mapping[str, Shape] = {
    "a leak of 30 %": leak(0.3),
    "a leak of 50 %, noise of 2 %": leak(0.5, noise=0.02),
    "a leak of 100 %, noise of 2 %": leak(1.0, noise=0.02),
    "a leak of 100 %, noise of 5 % that wanders": leak(1.0, noise=0.05, memory=0.02),
    "a leak of 200 %, noise of 10 %": leak(2.0, noise=0.1),
}
