"""Journals of any length, in memory that is bounded."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.logs import label_budget, thinning
from analyzer.processes import checkpoints, from_journal, inputs
from tests.support.builders import NOW, exited, header, reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer import Analysis
    from telemetry.journal.records import Record

POOLS = ({"tf": 4}, {"tf": 6, "loader": 2})


def recorded(chance: random.Random) -> list[Record]:
    """Give three folds, each stage of which is read 100 times with samples between, and a crash at the end."""
    records: list[Record] = [header()]
    time = NOW
    for fold in (1, 2, 3):
        for stage in range(3):
            for _ in range(100):
                time += 1
                maps = 1850 + 730 * fold + 40 * stage + chance.randrange(30)
                values: dict[str, Any] = {
                    "maps": maps,
                    "threads": 36 + chance.randrange(9),
                    "rss_bytes": 2**30 + fold * 2**29,
                    "limits": {"max_map_count": 65530},
                }
                records += [
                    reading(fold, time, stage=f"stage {stage}", pools=POOLS[fold > 1], **values),
                    reading(fold, time + 0.5, stage=None, cgroup_pids=40, **values),
                ]
    return [*records, exited(time + 1, signal="SIGABRT", exit_code=134)]


def keep_few_labels(monkeypatch: pytest.MonkeyPatch, most: int, *, of_all: int = 1000) -> None:
    """Have no more labels kept of an input, and of all inputs together."""
    monkeypatch.setattr(label_budget, "MOST_LABELS", most)
    monkeypatch.setattr(label_budget, "FEWEST_LABELS", 4)
    monkeypatch.setattr(label_budget, "MOST_OF_ALL", of_all)


def told(analysis: Analysis) -> object:
    """Return what an analysis says of its one process, apart from how many readings it kept."""
    (finding,) = analysis.findings
    growth = {
        name: (g.verdict, g.slope, g.peak, g.first, g.last) for name, g in finding.growth.items()
    }
    causes = [(cause.cause, cause.confidence) for cause in finding.causes]
    return analysis.verdict, growth, causes, finding.pool_leaks, finding.process.folds


@pytest.mark.parametrize("seed", range(3))
def test_what_is_judged_of_a_long_journal_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Values at each stage, first, last, peaks, thread pools and causes; what is left out is counted."""
    path = write_journal(tmp_path, *recorded(random.Random(seed)))
    whole = analyze(path)
    monkeypatch.setattr(checkpoints, "MOST_READINGS", 400)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 6)
    thinned = analyze(path)
    assert told(thinned) == told(whole)
    (source,) = thinned.sources
    kept = len(thinned.findings[0].process.samples)
    assert (source.checkpoints, source.left_out) == (1800, 1800 - kept)
    assert kept < 600
    assert whole.sources[0].left_out == 0


def test_of_too_many_labels_the_further_ones_are_judged_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a journal and in a log; the folds stay apart, and growth is seen."""
    records: list[Record] = [header()]
    lines = []
    for fold in (1, 2, 3, 4):
        for step in range(50):
            maps = 2000 + 900 * fold + step
            stage = f"step {step} of {fold}"
            records.append(reading(fold, NOW + 100 * fold + step, stage=stage, folds=4, maps=maps))
            lines.append(
                f"[THREADS] Fold {fold}/4 {stage}: proc=9, cgroup=9/99, maps={maps}/65530, rss=9MB\n"
            )
    (tmp_path / "a.log").write_text("".join(lines))
    journal = write_journal(tmp_path / "run", *records)
    keep_few_labels(monkeypatch, 20)
    for path in (tmp_path / "a.log", journal):
        analysis = analyze(path)
        (source,) = analysis.sources
        (finding,) = analysis.findings
        assert source.has_merged_labels
        texts = [head.label.text for head in finding.process.checkpoints.heads]
        assert len(texts) == 25
        assert texts[20:24] == [f"Fold {fold}/4 (further labels)" for fold in range(1, 5)]
        assert finding.process.checkpoints[-1].label.text == "Fold 4/4 step 49 of 4"
        assert finding.growth["maps"].slope == 900


@pytest.mark.parametrize("kind", ["logs", "journals"])
def test_all_inputs_together_have_a_budget_of_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A large one has more of it than a small one; whoever has few labels keeps them; growth is seen."""
    line = "[THREADS] Fold {}/4 {}: proc=9, cgroup=9/99, maps={}/65530, rss=9MB\n"
    steps = {"small": 1, "a": 60, "b": 60, "c": 60, "d": 120}
    for name, count in steps.items():
        taken = [(fold, step, 2000 + 900 * fold) for fold in (1, 2, 3, 4) for step in range(count)]
        if kind == "logs":
            text = "".join(
                line.format(fold, f"step {step} of {fold}", maps) for fold, step, maps in taken
            )
            (tmp_path / f"{name}.log").write_text(text)
            continue
        records = [
            reading(
                fold, NOW + 100 * fold + step, stage=f"step {step} of {fold}", folds=4, maps=maps
            )
            for fold, step, maps in taken
        ]
        write_journal(tmp_path / name, *records)
    keep_few_labels(monkeypatch, 1000, of_all=100)
    kept, grown = {}, {}
    for finding in analyze(tmp_path).findings:
        name = os.path.relpath(finding.process.source, tmp_path).partition("/")[0][:5]
        labels = {head.label.stage for head in finding.process.checkpoints.heads}
        kept[name] = len(labels - {"(further labels)"})
        grown[name] = finding.growth["maps"].slope
    assert kept.pop("small") == 4
    assert max(kept, key=kept.__getitem__)[0] == "d"
    assert min(kept.values()) > 10
    assert sum(kept.values()) <= 100
    del grown["small"]
    assert {*grown.values()} == {900}


def test_the_processes_of_a_journal_share_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a few all the same."""
    records = [
        reading(1, NOW + pid + step, pid=pid, stage=f"step {step} of {pid}")
        for pid in range(1, 11)
        for step in range(50)
    ]
    keep_few_labels(monkeypatch, 60)
    analysis = analyze(write_journal(tmp_path, *records))
    counts = [len(finding.process.checkpoints.heads) for finding in analysis.findings]
    assert len(counts) == 10
    assert 60 < sum(counts) < 60 + 10 * 6
    assert min(counts) == 4 + 2


def test_a_last_fold_that_is_cut_short_among_merged_labels_hides_no_growth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last label is an early one, and lower than the ends of the others."""
    lines = []
    for fold in (1, 2, 3, 4, 5):
        for step in range(50 if fold < 5 else 5):
            threads = 100 + 40 * fold + 6 * step
            lines.append(
                f"[THREADS] Fold {fold}/5 {fold}-{step}: proc={threads}, cgroup=9/99, maps=900/65530, rss=9MB\n"
            )
    (tmp_path / "a.log").write_text("".join(lines))
    keep_few_labels(monkeypatch, 20)
    (finding,) = analyze(tmp_path / "a.log").findings
    assert finding.growth["threads"].slope == 40


def test_epochs_beyond_the_labels_that_are_kept_are_no_all_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flat in those that are known, and a leak behind them; the last epoch is known, and more are planned."""
    line = "[THREADS] epoch {}/500: proc=9, cgroup=9/99, maps=900/65530, rss={}MB\n"
    (tmp_path / "a.log").write_text(
        "".join(line.format(n, 1000 + 9 * max(0, n - 200)) for n in range(1, 401))
    )
    keep_few_labels(monkeypatch, 100)
    (finding,) = analyze(tmp_path / "a.log").findings
    assert finding.epochs["rss_bytes"].verdict == "inconclusive"
    assert finding.process.checkpoints[-1].label.text == "epoch 400/500"
    assert finding.truncation is not None


def test_labels_that_are_merged_are_no_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not come back: each is another one."""
    line = "[THREADS] step {}: proc=9, cgroup=9/99, maps={}/65530, rss=9MB\n"
    (tmp_path / "a.log").write_text(
        "".join(line.format(n, 1000 + n * 37 % 500) for n in range(400))
    )
    keep_few_labels(monkeypatch, 50)
    assert len(analyze(tmp_path / "a.log").findings) == 1


def test_further_processes_of_a_journal_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write into a run could name any number of them."""
    monkeypatch.setattr(from_journal, "MOST_PROCESSES", 10)
    records = [reading(1, NOW + pid, pid=pid) for pid in range(1, 31)]
    analysis = analyze(write_journal(tmp_path, *records))
    (source,) = analysis.sources
    assert (source.checkpoints, source.skipped_count) == (10, 20)
    assert "more than 10 processes" in source.skipped[0].reason


def test_of_too_many_logs_the_latest_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are counted."""
    monkeypatch.setattr(inputs, "MOST_INPUTS", 5)
    for number in range(8):
        path = tmp_path / f"slurm-{number}.out"
        path.write_text("[THREADS] a: proc=9, cgroup=9/99, maps=9/65530, rss=9MB\n")
        os.utime(path, (NOW - number, NOW - number))
    *read, left_out = analyze(tmp_path).sources
    assert [source.path for source in read] == [
        str(tmp_path / f"slurm-{number}.out") for number in range(5)
    ]
    assert left_out.path == str(tmp_path)
    assert "3 older files" in left_out.skipped[0].reason
