"""Ranks that wrote into one log without a prefix are told apart; a run that was started anew is not ranks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from tests.support.paths import INCIDENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

with open(INCIDENT, encoding="utf-8") as log:
    ROWS = [line for line in log if line.startswith("[THREADS] Fold")]
RANKS = 4


def lockstep(rows: list[str]) -> list[str]:
    return [row for row in rows for _ in range(RANKS)]


def drifting(rows: list[str]) -> list[str]:
    """Each rank up to two labels ahead of the slowest."""
    numbers, at, written = random.Random(3), [0] * RANKS, []
    while min(at) < len(rows):
        ready = [n for n in range(RANKS) if at[n] < len(rows) and at[n] - min(at) < 2]
        rank = numbers.choice(ready)
        written.append(rows[at[rank]])
        at[rank] += 1
    return written


@pytest.mark.parametrize("order", [lockstep, drifting])
def test_ranks_without_a_prefix_are_judged_each(
    tmp_path: Path, order: Callable[[list[str]], list[str]]
) -> None:
    """Four processes with the incident's numbers grow as the one does."""
    path = tmp_path / "a.log"
    path.write_text("".join(order(ROWS)))
    analysis = analyze(path)
    assert [found.process.rank for found in analysis.findings] == [
        f"{n} of 4" for n in (1, 2, 3, 4)
    ]
    for found in analysis.findings:
        assert found.growth["maps"].verdict == "growing"
        assert found.growth["maps"].slope == pytest.approx(730, rel=0.05)
    assert analysis.is_alarming


def test_a_run_that_was_started_again_is_one_writer(tmp_path: Path) -> None:
    """One attempt after another, each through all of its labels."""
    path = tmp_path / "a.log"
    path.write_text("".join(ROWS * RANKS))
    assert {found.process.rank for found in analyze(path).findings} == {None}
