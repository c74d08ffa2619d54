"""Growth where neither folds nor epochs tell: over time, or from reading to reading; false alarms first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.growth.over_time import judge_readings
from analyzer.growth.verdict import Verdict
from analyzer.logs.user_pattern import UserPattern
from analyzer.processes.checkpoints import Checkpoint, CheckpointTable
from telemetry.thread_line import Label
from tests.support.builders import reading, write_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from analyzer.result import Finding

MEBIBYTE = 2**20
PATTERN = UserPattern(r"mem: (?P<rss>\d+) MB")
HOUR = range(3600)


def verdict(values: Sequence[float], times: Sequence[float] | None = None, **more: Any) -> str:
    growth = judge_readings(values, times, floor=1.0, **more)
    assert growth is not None
    return growth.verdict


def of_log(folder: Path, lines: Sequence[str]) -> Finding:
    log = folder / "plain.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    (found,) = analyze([str(log)], patterns=[PATTERN]).findings
    return found


def of_samples(folder: Path, level: Callable[[int], float]) -> Finding:
    """Journal an hour of samples without a label, as a run without a pattern does."""
    samples = [
        reading(None, float(second), stage=None, rss_bytes=int(level(second) * MEBIBYTE))
        for second in range(0, 3600, 5)
    ]
    (found,) = analyze([write_journal(folder, *samples)]).findings
    return found


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (lambda _: 1000, "stable"),
        (lambda at: 100 + min(600, at), "stable"),
        (lambda at: 100 + min(2400, at), "warm-up"),
        (lambda at: 1000 + at % 600, "warm-up"),
        (lambda at: 1000 + 1000 * (at > 1800), "stable"),
        (lambda at: 1000 + 300 * (at // 600), "inconclusive"),
        (lambda at: 1000 + 3000 * (1 - 0.999**at), "warm-up"),
        (lambda at: 1000 + at / 40, "slow"),
        (lambda at: 20 + at, "inconclusive"),
        (lambda at: 3000 - at / 2, "stable"),
    ],
    ids=["flat", "warm-up", "long", "teeth", "step", "stairs", "levels", "slow", "load", "falls"],
)
def test_no_false_alarm(level: Callable[[int], float], expected: str) -> None:
    """An hour of a reading a second, with times and without; none of these is known to grow."""
    values = [level(second) for second in HOUR]
    assert verdict(values, list(map(float, HOUR))) == expected
    assert verdict(values) == expected


@pytest.mark.parametrize("warm_up", [0, 300])
@pytest.mark.parametrize("teeth", [0, 200])
def test_a_leak_is_growing(warm_up: int, teeth: int) -> None:
    """Half a megabyte a second on a gigabyte, also behind a warm-up and below what comes and goes."""
    values = [
        1000 * min(1.0, (at + 1) / (warm_up or 1)) + at / 2 + teeth * (at % 60) / 60 for at in HOUR
    ]
    growth = judge_readings(values, list(map(float, HOUR)), floor=1.0)
    assert growth is not None
    assert (growth.verdict, growth.unit) == ("growing", "minute")
    assert growth.slope == pytest.approx(30, rel=0.05)


def test_the_unit_fits_the_record() -> None:
    """Minutes or hours by the times; readings, or thousands of them, without."""
    values = [1000.0 + at for at in range(2000)]
    for seconds, unit in ((1, "minute"), (10, "hour")):
        growth = judge_readings(values, [float(at * seconds) for at in range(2000)], floor=1.0)
        assert growth is not None
        assert growth.unit == unit
    for count, unit, slope in ((100, "reading", 1), (2000, "thousand readings", 1000)):
        growth = judge_readings(values[:count], None, floor=0.1)
        assert growth is not None
        assert growth.unit == unit
        assert growth.slope == pytest.approx(slope, rel=0.05)


def test_a_short_record_is_not_known_to_grow() -> None:
    """Under five minutes a rise may be loading; under 24 readings nothing is said."""
    values = [1000.0 + 10 * at for at in range(200)]
    assert verdict(values, [float(at) for at in range(200)]) == "inconclusive"
    assert verdict(values, [float(2 * at) for at in range(200)]) == "growing"
    assert judge_readings(values[:23], None, floor=1.0) is None


def test_a_load_may_take_an_hour() -> None:
    """From a twentieth of its size up to it; what rises on for hours is none."""
    values = [20.0 + at / 10 for at in range(4000)]
    assert verdict(values, [at / 2 for at in range(4000)]) == "inconclusive"
    assert verdict(values, [at * 2.0 for at in range(4000)]) == "growing"


def test_a_near_limit_makes_a_small_rise_matter() -> None:
    """A rise of a tenth, which leads to the limit within as long again; without one it is slow."""
    values = [1000.0 + at / 36 for at in HOUR]
    assert verdict(values) == "slow"
    assert verdict(values, limit=1150, level_at_end=1100) == "critical"
    assert verdict(values, limit=20_000, level_at_end=1100) == "slow"


@given(
    st.lists(st.integers(0, 2**40), max_size=300),
    st.lists(st.floats(0, 1e9), min_size=300, max_size=300),
)
def test_anything_is_judged(values: list[int], times: list[float]) -> None:
    """Zeros, gaps, equal times: a verdict or none, and no exception."""
    for known in (None, sorted(times)[: len(values)]):
        growth = judge_readings(values, known, floor=1.0)
        assert (growth is None) == (len(values) < 24) or known is not None


def test_rising_values_without_a_label_grow(tmp_path: Path) -> None:
    """30 of a plain log; as many that come and go are not known to."""
    lines = [f"step {step}\nmem: {1259 + 25 * step} MB" for step in range(30)]
    growth = of_log(tmp_path, lines).over_time["rss_bytes"]
    assert (growth.verdict, growth.unit) == ("growing", "reading")
    assert (growth.first, growth.last) == (1259 * MEBIBYTE, 1984 * MEBIBYTE)
    assert growth.slope == pytest.approx(25 * MEBIBYTE, rel=0.01)
    lines = [f"mem: {1259 + 90 * (step % 2)} MB" for step in range(30)]
    assert of_log(tmp_path, lines).over_time["rss_bytes"].verdict == "stable"


def test_samples_without_a_label_are_judged(tmp_path: Path) -> None:
    """All that a run without a pattern has."""
    growing = of_samples(tmp_path, lambda second: 1000 + second / 4)
    assert growing.over_time["rss_bytes"].verdict == "growing"
    assert growing.over_time["rss_bytes"].slope == pytest.approx(15 * MEBIBYTE, rel=0.01)
    assert not growing.process.checkpoints
    calm = of_samples(tmp_path, lambda second: 1000 + second % 35)
    assert {growth.verdict for growth in calm.over_time.values()} == {"stable"}


def test_the_page_cache_of_a_cgroup_is_no_growth(tmp_path: Path) -> None:
    """A sample may leave out what of its memory is cache: then what is held is not known."""
    samples = [
        reading(
            None,
            float(second),
            stage=None,
            cgroup_memory_bytes=(1000 + second) * MEBIBYTE,
            cgroup_memory_reclaimable_bytes=second * MEBIBYTE if second % 25 == 0 else None,
            limits={"cgroup_memory": 2**40},
        )
        for second in range(0, 3600, 5)
    ]
    (found,) = analyze([write_journal(tmp_path, *samples)]).findings
    assert found.over_time["cgroup_memory_bytes"].verdict == "stable"


def test_folds_and_epochs_come_first(tmp_path: Path) -> None:
    """Time is asked only where neither tells; one long fold does not."""
    line = "[THREADS] Fold {}/{} {}: proc=9, cgroup=20/4096, maps=900/65530, rss={}MB\n"
    several = "".join(
        line.format(fold, 6, f"step {step}", 900 + 40 * step)
        for fold in range(1, 7)
        for step in range(10)
    )
    one = "".join(line.format(1, 6, f"step {step}", 900 + 40 * step) for step in range(60))
    epochs = "".join(line.format(1, 1, f"epoch {epoch}", 900) for epoch in range(60))
    for content, expected in ((several, {}), (epochs, {}), (one, {"rss_bytes": "growing"})):
        log = tmp_path / "a.log"
        log.write_text(content)
        (found,) = analyze([str(log)]).findings
        alarms = {
            name: str(growth.verdict)
            for name, growth in found.over_time.items()
            if growth.verdict.is_alarming
        }
        assert alarms == expected
        assert bool(found.over_time) == bool(expected)


def test_readings_out_of_order_are_put_in_order() -> None:
    """A checkpoint and a sample of two threads may be written the other way round; one has no time."""
    table = CheckpointTable()
    for time, rss in ((1.0, 10), (3.0, 30), (2.0, 20), (4.0, None)):
        label = Label("", None, None, "")
        table.append(
            Checkpoint(line=1, time=time, label=label, values={"rss_bytes": rss}, limits={})
        )
    assert table.over_time("rss_bytes") == ([10, 20, 30], [1.0, 2.0, 3.0])
    table.append(Checkpoint(line=1, time=None, label=label, values={"rss_bytes": 5}, limits={}))
    values, times = table.over_time("rss_bytes")
    assert (list(values), times) == ([10, 30, 20, 5], None)


def test_a_rise_that_has_ended_is_no_growth() -> None:
    """A cache that fills for nine tenths of an hour and is full then; one that still fills is."""
    size = 2**20
    for share, verdict in ((0.9, Verdict.INCONCLUSIVE), (1.0, Verdict.GROWING)):
        values = [(4000 + 2000 * min(1.0, n / 120 / share) + n % 3) * size for n in range(120)]
        growth = judge_readings(values, [30.0 * n for n in range(120)], floor=1.0 * size)
        assert growth is not None
        assert growth.verdict == verdict


def test_a_rank_that_leaks_is_not_lost_among_the_others(tmp_path: Path) -> None:
    """Their own numbers, in turn, without an epoch; and four that do not leak."""
    for leaks, verdict in (((2,), "growing"), ((), "ok")):
        lines = [
            f"[rank{rank}]: step {step} rss={3000 + (40 * step if rank in leaks else step % 3)} MB\n"
            for step in range(60)
            for rank in range(4)
        ]
        path = tmp_path / "a.log"
        path.write_text("".join(lines))
        assert analyze(path).verdict == verdict
