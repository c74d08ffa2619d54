"""Whose a line is: which of several processes in one log, and where a new one begins."""

from __future__ import annotations

import io
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.processes.from_log import Process, read_log
from analyzer.reports.json_report import as_json
from tests.support.paths import RELEASED

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ("START", "after model creation", "after fit", "AFTER CLEANUP")
REFUSED = "RuntimeError: can't start new thread"
ABORT = (
    "2026-01-14 03:12:44.9: F tensorflow/tsl/platform/default/env.cc:74] Check failed: "
    "ret == 0 (11 vs. 0)Thread tf_Compute creation via pthread_create() failed."
)
BEFORE = "[THREADS] before TF import: proc=2, cgroup=400/7680, maps=300/65530, rss=100MB"


def folds(count: int, *, maps: int = 0, prefix: str = "") -> list[str]:
    """Give the lines of a run that is well, or of which a fold leaves some maps behind."""
    line = "{}[THREADS] Fold {}/3 {}: proc=36, cgroup=506/7680, maps={}/65530, rss=1200MB"
    return [
        line.format(prefix, fold, stage, 1850 + maps * fold + 10 * number)
        for fold in range(1, count + 1)
        for number, stage in enumerate(STAGES)
    ]


def found(*lines: str) -> list[Process]:
    return read_log("x", io.BytesIO("\n".join((*lines, "")).encode())).processes


def crashes(processes: list[Process]) -> list[tuple[str | None, int | None]]:
    """Give the rank and the line of each that crashed."""
    return [(p.rank, crash.line) for p in processes if (crash := p.crash) is not None]


def test_folds_one_after_another_are_no_crash(tmp_path: Path) -> None:
    """A process each, in one log; what each tears down is no sign of an end."""
    killed = "RuntimeError: DataLoader worker (pid 42) is killed by signal: Killed."
    one, two = folds(2)[:4], folds(2)[4:]
    path = tmp_path / "a.log"
    path.write_text("\n".join((BEFORE, *one, killed, BEFORE, *two, "")))
    analysis = analyze([str(path)])
    assert [finding.process.crash for finding in analysis.findings] == [None, None]
    assert [finding.truncation is None for finding in analysis.findings] == [True, False]


def test_a_new_label_after_memory_was_freed_is_no_restart() -> None:
    """Nor is one of a reading that does not know the maps, whatever else it says."""
    freed = "[THREADS] before gating: proc=9, cgroup=9/7680, maps={}, rss=9MB"
    for maps in ("1200/65530", "?/65530"):
        assert len(found(*folds(3), freed.format(maps))) == 1


@pytest.mark.parametrize("first", [[BEFORE], []])
def test_a_restart_in_the_same_log_does_not_hide_a_crash(first: list[str], tmp_path: Path) -> None:
    """The readings below it are of another process; it neither survived nor still runs."""
    lines = [*first, *folds(2)[:7], ABORT, BEFORE, *folds(3)]
    assert crashes(found(*lines)) == [(None, 8 + len(first))]
    path = tmp_path / "a.log"
    path.write_text("\n".join(line for line in (*lines, "") if line != ABORT))
    stops = [finding.truncation for finding in analyze([str(path)]).findings]
    assert stops[0] is not None
    assert not stops[0].may_go_on
    assert stops[1] is None


def test_what_a_process_survived_is_in_the_json(tmp_path: Path) -> None:
    """Like a crash, under another name."""
    path = tmp_path / "a.log"
    path.write_text("\n".join((*folds(3)[:5], REFUSED, *folds(3)[5:], "")))
    (process,) = as_json(analyze([str(path)]))["processes"]
    assert process["crash"] is None
    assert [(s["signature"], s["line"]) for s in process["survived"]] == [("python_new_thread", 6)]
    assert as_json(analyze([RELEASED]))["processes"][0]["survived"] == []


def test_what_nobody_signed_is_survived_by_whoever_goes_on() -> None:
    """The launcher's warning before the first reading, and one in the middle of ranks."""
    ranks = list(
        chain(*zip(folds(3, prefix="[rank0]: "), folds(3, prefix="[rank1]: "), strict=True))
    )
    assert crashes(found(REFUSED, *ranks)) == []
    assert [process.rank for process in found(REFUSED, *ranks)] == ["rank0", "rank1"]
    one = folds(3, prefix="[rank0]: ")
    assert crashes(found(*one[:5], REFUSED, *one[5:])) == []


def test_what_nobody_signed_is_the_latest_one_s_crash() -> None:
    """Also where it was survived before."""
    one = folds(3, prefix="[rank0]: ")
    assert crashes(found(*one[:5], REFUSED, *one[5:9], REFUSED)) == [("rank0", 11)]
    assert crashes(found(REFUSED, *one[:9], REFUSED)) == [("rank0", 11)]


@pytest.mark.parametrize(
    ("prefix", "of_the_error", "rank", "is_other"),
    [
        ("", "[rank0]: ", None, False),
        ("", "[rank1]: ", None, False),
        ("[default0]:", "[default0]:[rank0]: ", "default0", False),
        ("[default0]:", "[rank0]: ", "default0", False),
        ("[rank0]: ", "[default0]:", "rank0", False),
        ("[pod/train-0/main] ", "[pod/train-0/main] [rank0]: ", "train-0/main", False),
        ("[1,0]<stdout>:", "[1,0]<stderr>:[rank0]: ", "1,0", False),
        ("[default0]:", "[rank1]: ", "rank1", True),
        ("[pod/train-0/main] ", "[pod/train-1/main] ", "train-1/main", True),
    ],
)
def test_a_traceback_s_own_prefix_names_no_other_process(
    prefix: str, of_the_error: str, rank: str | None, *, is_other: bool
) -> None:
    """PyTorch's, since 2.4, behind that of the launcher or alone; another rank is another process."""
    lines = folds(3, maps=730, prefix=prefix)
    error = [f"{of_the_error}Traceback (most recent call last):", of_the_error + REFUSED]
    processes = found(*lines[:9], *error)
    assert crashes(processes) == [(rank, 11)]
    assert len(processes) == (2 if is_other else 1)
    assert bool(crashes(found(*lines[:9], *error, *lines[9:]))) == is_other
