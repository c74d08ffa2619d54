"""The verdict so far on a run that is still writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.journal.records import Event
from telemetry.journal.run_layout import JOURNAL
from telemetry.journal.writer import JournalWriter
from telemetry.thread_line import MEBIBYTE
from tests.support.builders import NOW, header, reading, write_journal
from tests.support.waiting import wait_until
from trainer.runner.growth_so_far import growth_so_far, judge_run

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry.journal.records import Record
    from telemetry.snapshot import GrowthSnapshot


def write_folds(folder: Path, *folds: int, step: int, pid: int = 7) -> str:
    """Write three labels a fold, each ``step`` threads above the last, and give the journal's path."""
    path = str(folder / JOURNAL)
    writer = JournalWriter(path)
    writer.write(header(pid=pid))
    for fold in folds:
        for number in range(3):
            label = f"Fold {fold}/9 step {number}"
            writer.write(
                reading(
                    fold,
                    1000.0 * pid + 10 * fold + number,
                    pid=pid,
                    folds=9,
                    label=label,
                    stage=f"step {number}",
                    threads=100 + step * (3 * fold + number),
                )
            )
    writer.close()
    return path


def judged(*journals: str) -> list[GrowthSnapshot]:
    return [growth for one in judge_run(journals) for growth in one.growth]


def verdicts(*journals: str) -> dict[str, str]:
    return {growth.resource: growth.verdict for growth in judged(*journals)}


def test_nothing_is_said_where_nothing_can_be(tmp_path: Path) -> None:
    """No journal, an empty one, one without a fold; and one fold only is too few."""
    (tmp_path / "empty.jsonl").touch()
    assert judge_run([str(tmp_path / "none.jsonl"), str(tmp_path / "empty.jsonl")]) == ()
    assert verdicts(write_folds(tmp_path / "one", 1, step=5))["threads"] == "inconclusive"


def test_a_healthy_run_is_stable_and_a_leak_grows(tmp_path: Path) -> None:
    """With its rate, in threads a fold."""
    assert verdicts(write_folds(tmp_path / "a", 1, 2, 3, 4, step=0)) == {"threads": "stable"}
    threads, *_ = judged(write_folds(tmp_path / "b", 1, 2, 3, 4, step=10))
    assert (threads.resource, threads.verdict, threads.per_fold) == ("threads", "growing", 30.0)


def test_a_verdict_says_up_to_which_label_it_knows(tmp_path: Path) -> None:
    """The page may show a later one already."""
    (one,) = judge_run([write_folds(tmp_path / "a", 1, 2, 3, step=0)])
    assert one.known_until == "Fold 3/9 step 2"


def test_the_present_process_is_judged(tmp_path: Path) -> None:
    """A run that was started again and leaks no more is stable; what it did before is past."""
    before = write_folds(tmp_path / "before", 1, 2, 3, 4, step=10, pid=7)
    now = write_folds(tmp_path / "now", 1, 2, 3, 4, step=0, pid=8)
    assert verdicts(before, now)["threads"] == "stable"
    assert verdicts(now, before)["threads"] == "stable"


def test_processes_of_a_fold_each_are_never_growing(tmp_path: Path) -> None:
    """However they differ."""
    journals = [
        write_folds(tmp_path / f"fold-{fold}", fold, step=10, pid=fold) for fold in range(1, 5)
    ]
    assert verdicts(*journals)["threads"] == "inconclusive"


def test_a_runner_learns_the_verdict(tmp_path: Path) -> None:
    """In time; and nothing raises where the directory is not there yet."""
    growth = growth_so_far(str(tmp_path / "run"))
    assert growth() == ()
    write_folds(tmp_path / "run", 1, 2, 3, 4, step=10)
    found = wait_until(lambda: {one.resource: one.verdict for one in growth()}, 20, "a verdict")
    assert found["threads"] == "growing"


def test_the_nature_of_grown_memory_is_told_while_the_run_goes_on(tmp_path: Path) -> None:
    """As the report tells it at the end."""
    records: list[Record] = [header()]
    for number in range(1, 6):
        memory = {"rss": number * 40 * MEBIBYTE, "anon": number * 40 * MEBIBYTE}
        memory |= {"in_use": number * 39 * MEBIBYTE}
        facts = {"fold": number, "folds": 9, "before": memory, "after": memory}
        records.append(reading(number, stage="AFTER CLEANUP", folds=9, rss_bytes=memory["rss"]))
        records.append(Event(time=NOW, pid=7, name="settled", facts=facts))
    write_journal(tmp_path, *records)
    found = {one.resource: one for one in judged(str(tmp_path / "journal.jsonl"))}
    assert found["rss_bytes"].verdict == "growing"
    assert found["rss_bytes"].grown == ("held: 39 MB a fold more are in use by malloc's own count",)
    assert found["threads"].grown == ()
