"""Of millions of readings some are left out: what is judged of them stays, and what is left out is counted."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.logs import scan_result_builder, thinning

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis

CRASH = "F0101 x.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via pthread_create() failed.\n"


def written(chance: random.Random) -> str:
    """Give a log of three folds, each stage of which is read 300 times, and which ends in a crash."""
    lines = []
    for fold in (1, 2, 3):
        for stage in range(3):
            for _ in range(300):
                maps = 1850 + 730 * fold + 40 * stage + chance.randrange(30)
                threads = 36 + chance.randrange(9)
                lines.append(
                    f"[THREADS] Fold {fold}/3 stage {stage}: proc={threads}, cgroup=500/7680, maps={maps}/65530, rss={1200 + 550 * fold}MB\n"
                )
    return "".join(lines) + CRASH


def _told(analysis: Analysis) -> object:
    finding = analysis.findings[0]
    growth = {
        name: (g.verdict, g.slope, g.peak, g.first, g.last) for name, g in finding.growth.items()
    }
    crash = finding.process.crash
    return analysis.verdict, growth, crash and (crash.line, crash.last_label), finding.process.folds


@pytest.mark.parametrize("seed", range(5))
def test_what_is_judged_of_the_readings_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Values at each stage, first, last, peaks, and the label above the crash."""
    path = tmp_path / "a.log"
    path.write_text(written(random.Random(seed)))
    whole = analyze(path)
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 400)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 6)
    thinned = analyze(path)
    assert _told(thinned) == _told(whole)
    (source,) = thinned.sources
    assert source.checkpoints == 2700
    assert source.left_out == 2700 - len(thinned.findings[0].process.checkpoints) > 2000
    assert whole.sources[0].left_out == 0


def test_what_was_thinned_first_is_as_dense_as_what_came_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One label over and over, as a log without folds has it."""
    path = tmp_path / "a.log"
    line = "[THREADS] step: proc={}, cgroup=500/7680, maps=9/65530, rss=12MB\n"
    path.write_text("".join(line.format(50 + number % 7) for number in range(6000)))
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 1000)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 20)
    lines = analyze(path).findings[0].process.checkpoints.lines
    quarters = [sum(1500 * q < line <= 1500 * (q + 1) for line in lines) for q in range(4)]
    assert sum(quarters) == len(lines) <= 164
    assert max(quarters) <= 1.5 * min(quarters)


def test_a_value_that_wanders_is_no_restart_where_readings_were_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest and the highest of a stretch become neighbours; a fall between neighbours is one still."""
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 1000)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 20)
    line = "[THREADS] step: proc=50, cgroup=500/7680, maps={}/65530, rss={}MB\n[THREADS] other: proc=50, cgroup=500/7680, maps={}/65530, rss={}MB\n"
    for restarts in (0, 2):
        lines = []
        for number in range(3000):
            of_process = number % (3000 // (restarts + 1))
            maps = 700 if of_process < 9 else 1250 + int(250 * math.sin(number / 40))
            rss = 1000 + of_process
            lines.append(line.format(maps, rss, maps, rss))
        path = tmp_path / f"{restarts}.log"
        path.write_text("".join(lines))
        analysis = analyze(path)
        assert analysis.sources[0].left_out > 3000
        assert len(analysis.findings) == restarts + 1


def test_very_many_labels_share_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them has few enough readings to keep them all; together they do not."""
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 2000)
    monkeypatch.setattr(thinning, "MOST_READINGS", 2000)
    line = "[THREADS] Fold 1/1 step {}: proc=50, cgroup=500/7680, maps={}/65530, rss=12MB\n"
    path = tmp_path / "a.log"
    path.write_text("".join(line.format(n % 100, 1000 + n % 97) for n in range(20_000)))
    (source,) = analyze(path).sources
    assert source.checkpoints - source.left_out <= 4000


def test_a_rise_before_a_long_flat_part_is_none_though_it_is_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that come four times stay, of the one that comes over and over a few do: the places tell, not the rows."""
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 1000)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 10)
    line = "[THREADS] {}: proc=9, cgroup=9/99, maps=900/65530, rss={}MB\n"
    rising = [line.format(f"part {n // 4}", 1000 + 4 * n) for n in range(600)]
    flat = [line.format("the rest", 3400)] * 4000
    (tmp_path / "a.log").write_text("".join([*rising, *flat]))
    (finding,) = analyze(tmp_path / "a.log").findings
    assert finding.process.checkpoints.left_out > 2000
    assert not finding.over_time["rss_bytes"].verdict.is_alarming
