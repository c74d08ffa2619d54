"""`--compare`: which resource got better, and never more than the intervals allow."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze, compare
from tests.support.paths import INCIDENT, RELEASED, RETAINED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

LINE = "[THREADS] Fold {}/{} {}: proc={}, cgroup=9/7680, maps=1851/65530, rss=620MB\n"


def log(path: Path, per_fold: float, *, noise: float = 0, folds: int = 8, seed: int = 0) -> str:
    numbers = random.Random(seed)
    path.write_text(
        "".join(
            LINE.format(
                fold, folds, stage, round(level + per_fold * fold + numbers.gauss(0, noise))
            )
            for fold in range(1, folds + 1)
            for stage, level in (("START", 100), ("END", 150))
        )
    )
    return str(path)


def outcomes(before: str, after: str) -> dict[str, str]:
    found = compare(analyze([before]), analyze([after]))
    return {name: change.outcome for name, change in found.changes.items()}


def test_real_tensorflow_got_better_when_models_are_released() -> None:
    """Real logs, and the other way round it is worse."""
    assert set(outcomes(RETAINED, RELEASED).values()) == {"better"}
    assert set(outcomes(RELEASED, RETAINED).values()) == {"worse"}
    found = compare(analyze([INCIDENT]), analyze([RELEASED]))
    assert found.sentence.endswith("it crashed before and did not crash now")
    assert found.changes["threads"].outcome == "same"


def test_the_same_log_twice_is_no_difference() -> None:
    """Also where it grows."""
    assert set(outcomes(RETAINED, RETAINED).values()) == {"same"}


@pytest.mark.parametrize("seed", range(10))
def test_a_difference_inside_the_intervals_is_not_clear(tmp_path: Path, seed: int) -> None:
    """Two runs of the same leak, in noise: neither better nor worse."""
    before = log(tmp_path / "a.log", 8, noise=3, seed=seed)
    after = log(tmp_path / "b.log", 8, noise=3, seed=seed + 1000)
    assert outcomes(before, after)["threads"] in {"same", "no clear difference"}


def test_half_the_leak_is_better(tmp_path: Path) -> None:
    """With no noise the intervals are points."""
    before, after = log(tmp_path / "a.log", 20), log(tmp_path / "b.log", 10)
    assert outcomes(before, after) == {
        "threads": "better",
        "cgroup_pids": "same",
        "maps": "same",
        "rss_bytes": "same",
    }


def isolated(path: Path, folds: int = 4) -> str:
    start = "[THREADS] before TF import: proc=1, cgroup=2/7680, maps=53/65530, rss=9MB\n"
    fold = "".join(LINE.format("{0}", folds, stage, 100) for stage in ("START", "END"))
    path.write_text("".join(start + fold.format(number) for number in range(1, folds + 1)))
    return str(path)


def test_a_process_per_fold_is_the_fix(tmp_path: Path) -> None:
    """It has no slope, and still it is better than one that rises."""
    grown, fixed = log(tmp_path / "a.log", 20), isolated(tmp_path / "b.log")
    flat, short = log(tmp_path / "c.log", 0), log(tmp_path / "d.log", 20, folds=2)
    assert outcomes(grown, fixed)["threads"] == "better"
    assert outcomes(fixed, grown)["threads"] == "worse"
    assert outcomes(flat, fixed)["threads"] == "same"
    assert outcomes(fixed, fixed)["threads"] == "same"
    assert outcomes(short, fixed)["threads"] == "cannot tell"


def test_too_few_folds_cannot_tell(tmp_path: Path) -> None:
    """Nor can a side without a reading."""
    short, empty = log(tmp_path / "a.log", 8, folds=2), tmp_path / "empty.log"
    empty.write_text("Epoch 1\n")
    assert outcomes(short, RETAINED)["threads"] == "cannot tell"
    assert set(outcomes(str(empty), RETAINED).values()) == {"cannot tell"}
    assert compare(analyze([str(empty)]), analyze([short])).sentence == "no clear difference"


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_exit_code_is_the_new_log_s(
    foldwatch: Callable[..., CommandOutcome], columns: str
) -> None:
    """The report fits, and the root cause stays the last line."""
    fixed = foldwatch("analyze", RELEASED, "--compare", RETAINED, COLUMNS=columns)
    assert fixed.code == 0
    assert "before and after: better: threads, cgroup_pids, maps, rss" in " ".join(
        fixed.out.split()
    )
    assert max(map(len, fixed.out.splitlines())) <= int(columns)
    assert fixed.out.splitlines()[-1] == "root cause: none to look for"
    assert foldwatch("analyze", RETAINED, "--compare", RELEASED).code == 3


def test_as_json(foldwatch: Callable[..., CommandOutcome]) -> None:
    """Both sides by resource, in an object of its own."""
    content = json.loads(foldwatch("analyze", RELEASED, "--compare", RETAINED, "--json").out)
    other = content["compared_with"]
    assert (content["verdict"], other["verdict"]) == ("ok", "growing")
    threads = other["resources"]["threads"]
    assert (threads["outcome"], threads["before"]["per_fold"]) == ("better", 8)
    assert threads["after"]["per_fold"] == 0
