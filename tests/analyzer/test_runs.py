"""Runs of one directory or file: the last is judged, earlier ones are named, and what is not certain is one run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from tests.support.builders import NOW, exited, header, reading, write_journal, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from telemetry.journal.records import Record
    from tests.support.programs import CommandOutcome

HOUR = 3600.0
STAGES = ("START", "after fit", "AFTER CLEANUP")


def records(
    folds: Iterable[int],
    *,
    pid: int = 7,
    at: float = 0.0,
    leak: int = 0,
    of: int = 5,
    stages: tuple[str, ...] = STAGES,
    **of_header: Any,
) -> list[Record]:
    """Give what the recorder writes of a process that starts at NOW + ``at`` and keeps ``leak`` MB a fold."""
    start: dict[str, Any] = {"argv": ("train.py",), "start_ticks": pid} | of_header
    found: list[Record] = [header(time=NOW + at, pid=pid, **start)]
    for fold in folds:
        for stage in stages:
            at += 10
            rss = 2**30 + leak * fold * 2**20
            found.append(
                reading(
                    fold, NOW + at, stage=stage, folds=of, pid=pid, start_ticks=pid, rss_bytes=rss
                )
            )
    return found


def earlier(folder: Path) -> list[float | None]:
    return [run.seconds_before for run in analyze([str(folder)]).earlier_runs]


def test_the_last_run_of_a_directory_is_judged(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """A leak, then its fix, in one journal; the first is named, and held against the last on demand."""
    leaking = records(range(1, 6), leak=300)
    fixed = records(range(1, 6), pid=8, at=2 * HOUR)
    write_journal(tmp_path, *leaking)
    assert analyze([str(tmp_path)]).verdict == "growing"
    write_journal(tmp_path, *fixed)
    analysis = analyze([str(tmp_path)])
    assert [finding.process.pid for finding in analysis.findings] == [8]
    assert (analysis.verdict, earlier(tmp_path)) == ("ok", [2 * HOUR + 10 - 150])
    done = foldwatch("analyze", str(tmp_path), "--compare")
    assert done.code == 0
    assert "better: rss" in done.out
    assert "1 (ended 118 min before the last one)" in " ".join(done.out.split())
    found = json.loads(foldwatch("analyze", str(tmp_path), "--compare", "--json").out)
    assert found["compared_with"]["verdict"] == "growing"
    assert len(found["earlier_runs"]) == 1


def test_another_run_is_known_as_soon_as_it_has_passed_its_first_fold(tmp_path: Path) -> None:
    """Whatever the first run said behind its last fold, and of however many folds the second one is."""
    write_journal(tmp_path, *records(range(1, 6)), *records([0], at=200, stages=("all done",))[1:])
    again = records([1, 2], pid=8, at=HOUR, of=10)
    write_journal(tmp_path, *again[:3])
    assert earlier(tmp_path) == []
    write_journal(tmp_path, *again[3:])
    assert len(earlier(tmp_path)) == 1


def test_the_readme_snippet_twice_is_two_runs(tmp_path: Path) -> None:
    """Of one fold only, with all of its labels again; three times are three."""
    for number in range(3):
        snippet = records([1], pid=7 + number, at=number * HOUR, stages=("START", "after fit"))
        write_journal(tmp_path, *snippet)
        assert len(earlier(tmp_path)) == number


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # A process for each fold.
        (records([1]), records([2], pid=8, at=HOUR)),
        # Resumed after the folds that are done; those done are labelled, not run.
        (records([1, 2, 3]), records([3, 4, 5], pid=8, at=HOUR)),
        (records([1, 2, 3]), records(range(1, 4), pid=8, at=HOUR, stages=("START",))),
        # Ranks, or workers that the first one started: both write at the same time.
        (records([1, 2, 3]), records([1, 2, 3], pid=8, at=5)),
        (records([1, 2, 3], rank="0"), records([1, 2, 3], pid=8, at=HOUR, rank="1")),
        # Another script of the same run, a fold that is retried, and one that may go on from a save.
        (records([1, 2, 3]), records([1, 2, 3], pid=8, at=HOUR, argv=("evaluate.py",))),
        (records([1], stages=STAGES[:1]), records([1], pid=8, at=HOUR)),
        (
            records([1], stages=("step", "step")),
            records([1], pid=8, at=HOUR, stages=("step", "step")),
        ),
        # Nobody's header says what wrote them.
        (records([1, 2, 3])[1:], records([1, 2, 3], pid=8, at=HOUR)[1:]),
    ],
)
def test_what_is_not_certain_is_one_run(
    first: list[Record], second: list[Record], tmp_path: Path
) -> None:
    """A leak in the first process would be lost with it."""
    write_journal(tmp_path, *first, *second)
    assert earlier(tmp_path) == []
    assert {finding.process.pid for finding in analyze([str(tmp_path)]).findings} == {7, 8}


def test_a_process_for_each_fold_run_twice_is_two_runs(tmp_path: Path) -> None:
    """In one journal, and in one journal for each fold."""
    for number in range(2):
        for fold in (1, 2, 3):
            at = number * HOUR + fold * 100
            written = records([fold], pid=10 * number + fold, at=at)
            write_journal(tmp_path / "one", *written)
            (tmp_path / "each" / str(fold)).mkdir(parents=True, exist_ok=True)
            write_journal(tmp_path / "each" / str(fold), *written)
    for name in ("one", "each"):
        analysis = analyze([str(tmp_path / name)])
        assert [finding.process.pid for finding in analysis.findings] == [11, 12, 13]
        assert len(analysis.earlier_runs) == 1


def test_a_crash_of_an_earlier_run_is_told(tmp_path: Path) -> None:
    """A restart from the first fold on: the last attempt counts, and the line says what became of the other."""
    write_journal(tmp_path, *records([1, 2, 3]))
    path = tmp_path / "journal.jsonl"
    with path.open("a") as file:
        file.write(
            json.dumps({"kind": "event", "time": NOW + 95, "pid": 7, "name": "raised"})[:-1]
            + ', "exception": "ValueError", "message": "boom"}\n'
        )
    write_journal(tmp_path, *records(range(1, 6), pid=8, at=HOUR))
    analysis = analyze([str(tmp_path)])
    assert analysis.outcome == "finished"
    assert [run.outcome for run in analysis.earlier_runs] == ["crashed"]


def test_what_a_runner_moved_away_is_an_earlier_run(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """With a summary or a journal of its own; a retried fold alone is none."""
    for number, (name, leak) in enumerate((("previous-1", 300), ("previous-3", 0), (".", 300))):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        path = write_journal(folder, *records(range(1, 6), at=number * HOUR, leak=leak))
        os.utime(path, (NOW + number * HOUR, NOW + number * HOUR))
    write_json(tmp_path / "run.json", {"config": {"folds": 5}})
    (tmp_path / "previous-2" / "fold-1").mkdir(parents=True)
    write_journal(tmp_path / "previous-2" / "fold-1", *records([1]))
    analysis = analyze([str(tmp_path)])
    assert [os.path.basename(run.path) for run in analysis.earlier_runs] == [
        "previous-1",
        "previous-3",
    ]
    assert [run.seconds_before for run in analysis.earlier_runs] == [2 * HOUR + 10, HOUR + 10]
    done = foldwatch("analyze", "--compare", "--json", str(tmp_path))
    compared = json.loads(done.out)["compared_with"]
    assert compared["sources"][0]["path"] == str(tmp_path / "previous-3" / "journal.jsonl")
    assert "worse: rss" in compared["sentence"]


def test_a_runner_s_own_journal_is_of_one_run(tmp_path: Path) -> None:
    """It moves earlier ones away, so a process that begins anew is a retry or an attempt."""
    write_journal(tmp_path, *records([1, 2]), *records([1, 2], pid=8, at=HOUR))
    write_json(tmp_path / "run.json", {"config": {"folds": 5}})
    assert earlier(tmp_path) == []


LINE = "[THREADS] {}: proc=9, cgroup=9/7680, maps={}/65530, rss={}MB\n"


def attempt(leak: int, *, folds: int = 3, of: int = 3) -> str:
    text = LINE.format("before TF import", 53, 9)
    for fold in range(1, folds + 1):
        for stage in STAGES:
            text += LINE.format(f"Fold {fold}/{of} {stage}", 1800 + fold, 600 + leak * fold)
    return text


def test_the_last_attempt_of_a_log_is_judged(tmp_path: Path) -> None:
    """One that was through or failed is over; one that is cut off may have been another writer's."""
    log = tmp_path / "nohup.out"
    log.write_text(attempt(300) + attempt(0))
    analysis = analyze([str(log)])
    assert (analysis.verdict, len(analysis.earlier_runs)) == ("ok", 1)
    log.write_text(attempt(300, folds=2) + "RuntimeError: can't start new thread\n" + attempt(0))
    analysis = analyze([str(log)])
    assert analysis.outcome == "finished"
    assert [run.outcome for run in analysis.earlier_runs] == ["crashed"]
    log.write_text(attempt(300, folds=2) + attempt(0))
    assert not analyze([str(log)]).earlier_runs


def test_a_comparison_needs_an_earlier_run(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """One line that says what to do; a path with it is compared with as before."""
    log = tmp_path / "a.log"
    log.write_text(attempt(0))
    done = foldwatch("analyze", str(log), "--compare")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no earlier run" in done.err
    assert foldwatch("analyze", str(log), "--compare", str(log)).code == 0


def test_a_fold_that_ended_before_its_first_reading_is_judged_by_its_files(tmp_path: Path) -> None:
    """Its journal has an exit and nothing else, its output and its result say the rest."""
    fold = tmp_path / "run" / "fold-1"
    write_journal(fold, header(), exited(NOW, exit_code=0))
    (fold / "output.log").write_text("done\n")
    write_json(fold / "result.json", {"fold": 1, "folds": 1, "metrics": {}, "seconds": 0.0})
    (finding,) = analyze([str(tmp_path / "run")]).findings
    assert finding.process.crash is None
