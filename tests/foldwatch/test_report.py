"""The terminal's report: the verdict first, the root cause last, at every width and encoding."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from analyzer.groups import ranges
from analyzer.logs import label_budget, scan_result_builder, thinning
from analyzer.reports.sparkline import ASCII, BLOCKS, sparkline
from telemetry.journal.writer import JournalWriter
from telemetry.reading import Reading
from tests.support.builders import child, reading, write_journal
from tests.support.paths import INCIDENT, RELEASED, RETAINED, ROOT
from tests.support.programs import run_foldwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs import CommandOutcome

    Foldwatch = Callable[..., CommandOutcome]

LINE = "[THREADS] Fold {}/5 {}: proc={}, cgroup={}/7680, maps={}/65530, rss={}MB\n"


def log_of_rank(leak: int) -> str:
    return "".join(
        LINE.format(fold, stage, level + leak * fold, 400 + level, 1850 + level, 1200 + level)
        for fold in range(1, 6)
        for stage, level in (("START", 36), ("after fit", 90))
    )


@pytest.mark.parametrize(
    ("log", "columns"),
    [
        (INCIDENT, 40),
        (INCIDENT, 60),
        (INCIDENT, 80),
        (RETAINED, 60),
        (RELEASED, 80),
        (RELEASED, 200),
    ],
)
def test_the_verdict_comes_first_and_the_root_cause_last(
    foldwatch: Foldwatch, log: str, columns: int
) -> None:
    """And nothing is wider than the terminal, or cut off with an ellipsis."""
    lines = foldwatch("analyze", log, COLUMNS=str(columns)).out.splitlines()
    assert lines[0].split(":")[0].split()[0] in {"CRASHED", "GROWING", "OK"}
    assert max(map(len, lines)) <= columns
    assert "…" not in "".join(lines)
    last = next(i for i in reversed(range(len(lines))) if lines[i].startswith("root cause: "))
    assert len(lines) - last <= 2


def test_the_incident_s_root_cause_is_not_made_up(foldwatch: Foldwatch) -> None:
    """Nine limits give that message and none was near; what grows is said."""
    lines = foldwatch("analyze", INCIDENT, COLUMNS="80").out.splitlines()
    assert lines[0] == "CRASHED in fold 3 of 3; maps +730, rss +550 MB a fold"
    assert lines[-1] == "root cause: not proven, 7 remain; growing: maps, rss"


def test_growth_over_time_says_what_it_cannot_tell(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """In the terminal and on the page; the exit code is that of growth."""
    log, page = tmp_path / "plain.log", tmp_path / "page.html"
    log.write_text("".join(f"mem: {1259 + 25 * step} MB\n" for step in range(30)))
    pattern = r"mem: (?P<rss>\d+) MB"
    outcome = foldwatch(
        "analyze", str(log), "--pattern", pattern, "--html", str(page), COLUMNS="160"
    )
    lines = outcome.out.splitlines()
    assert (outcome.code, lines[0]) == (3, "GROWING: rss +24.8 MB a reading")
    assert lines[-1].startswith("root cause: not known: rss grew over time")
    assert "per reading" in outcome.out
    assert "per fold" not in outcome.out
    assert "growth over time, where neither folds nor epochs tell" in page.read_text()
    log.write_text("".join(f"mem: {1259 + step % 2} MB\n" for step in range(30)))
    outcome = foldwatch("analyze", str(log), "--pattern", pattern, "--require-verdict")
    assert outcome.code == 0
    assert outcome.out.splitlines()[0].endswith("(over time: no fold is named)")


def test_samples_without_a_label_are_shown(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """As they are judged: with a line, in the picture too; and too few of them are nothing to judge."""
    run = tmp_path / "run"
    run.mkdir()
    journal = JournalWriter(str(run / "journal.jsonl"))
    for second in range(23):
        journal.write(Reading(time=10.0 * second, pid=7, threads=9))
    assert foldwatch("analyze", str(run), "--require-verdict").code == 2
    for second in range(23, 60):
        journal.write(Reading(time=10.0 * second, pid=7, threads=9))
    journal.close()
    page = tmp_path / "page.html"
    outcome = foldwatch("analyze", str(run), "--require-verdict", "--html", str(page))
    assert outcome.code == 0
    assert "9 to 9" in outcome.out
    assert "<svg" in page.read_text()


def test_a_certain_cause_is_the_last_line(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """The kernel's own line names it."""
    log = tmp_path / "dmesg.log"
    start = log_of_rank(0).splitlines()[0]
    log.write_text(
        f"Nov 24 08:15:30 host python[12]: {start}\n"
        "Nov 24 08:15:31 host kernel: Memory cgroup out of memory: Killed process 12 (python)\n"
    )
    lines = foldwatch("analyze", str(log)).out.splitlines()
    assert lines[-1].endswith("(certain)")


def test_a_hundred_ranks_do_not_drown_the_reader(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """They are summed up, and the one that leaks is shown."""
    for number in range(100):
        (tmp_path / f"rank-{number}.log").write_text(log_of_rank(8 if number == 37 else 0))
    outcome = foldwatch("analyze", str(tmp_path), COLUMNS="80")
    assert outcome.code == 3
    assert len(outcome.out.splitlines()) < 40
    assert outcome.out.startswith("GROWING: threads +8 a fold")
    assert "1 growing, 99 stable" in outcome.out
    assert "rank-37.log: process: folds 1-5 of 5" in outcome.out
    assert "the worst one follows" in outcome.out


def test_isolated_folds_are_told_as_one_run(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """One table for all of them."""
    for fold in (1, 2, 3):
        writer = JournalWriter(str(tmp_path / f"fold-{fold}" / "journal.jsonl"))
        for number, stage in enumerate(("START", "END")):
            writer.write(
                Reading(
                    time=float(number),
                    pid=fold,
                    label=f"Fold {fold}/3 {stage}",
                    fold=fold,
                    folds=3,
                    stage=stage,
                    threads=30 + number,
                    maps=900,
                )
            )
        writer.close()
    outcome = foldwatch("analyze", str(tmp_path), COLUMNS="80")
    assert outcome.code == 0
    assert "3 processes, one fold each: folds 1-3 of 3" in outcome.out
    assert outcome.out.count("threads  ") == 1
    assert outcome.out.splitlines()[-1] == "root cause: none to look for"


def test_skipped_lines_are_shown(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """The first few with their numbers, the rest counted."""
    (tmp_path / "a.log").write_text("[THREADS] torn\n" * 10 + log_of_rank(0))
    out = foldwatch("analyze", str(tmp_path)).out
    assert "line 3 skipped" in out
    assert "and 7 more skipped" in out


def test_what_was_left_out_is_shown(
    foldwatch: Foldwatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more readings, and of more labels, than are kept."""
    monkeypatch.setattr(scan_result_builder, "MOST_READINGS", 100)
    monkeypatch.setattr(thinning, "KEPT_STRETCHES", 6)
    monkeypatch.setattr(label_budget, "MOST_LABELS", 5)
    line = "[THREADS] {}: proc=9, cgroup=9/99, maps=9/65530, rss=9MB\n"
    many = "".join(line.format(f"step {number}") for number in range(50))
    (tmp_path / "a.log").write_text(line.format("a") * 2000 + many)
    out = foldwatch("analyze", str(tmp_path / "a.log"), COLUMNS="200").out
    assert "of them are left out" in out
    assert "further ones are judged as one" in out


def test_a_terminal_without_blocks_gets_ascii() -> None:
    """Nothing that its encoding lacks, and no traceback."""
    outcome = run_foldwatch(
        "analyze", RETAINED, environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert outcome.code == 3
    assert outcome.out.isascii()
    assert set(ASCII) & set(outcome.out)


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals(environment: dict[str, str], *, coloured: bool) -> None:
    """And not where NO_COLOR is set; never in a pipe."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "foldwatch", "analyze", RETAINED],
        cwd=ROOT,
        stdout=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    ) as started:
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # EIO: the other end is closed
                break
            if not chunk:
                break
            shown += chunk
    os.close(leader)
    assert started.returncode == 3
    assert (b"\x1b[31m" in shown) == coloured


def test_sparklines() -> None:
    """A peak between two columns shows; a gap is a gap; flat is low."""
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], width=8) == BLOCKS
    assert sparkline([0, 0, 9, 0, 0, 0], width=3) == "▁█▁"
    assert sparkline([5, 5, 5], width=9) == "▁▁▁"
    assert sparkline([1, None, 2], width=3) == "▁ █"
    assert sparkline([], width=9) == sparkline([None], width=9) == ""


def test_ranges() -> None:
    """Runs of three and more are short."""
    assert ranges([1, 2, 3, 5, 6, 9]) == "1-3, 5, 6, 9"


def test_what_to_do_stands_before_the_root_cause(foldwatch: Foldwatch) -> None:
    """Each step once, with its command; what the evidence comes to is noted."""
    out = foldwatch("analyze", INCIDENT, COLUMNS="80").out
    assert out.index("note: no recorded ceiling was near") < out.index("what to do")
    assert out.index("what to do") < out.index("root cause: ")
    assert out.count("foldwatch run --folds 3 -- COMMAND {fold}") == 1


@pytest.mark.slow
def test_growth_per_epoch_has_a_table_of_its_own(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """A run without any fold; said in the first line and in the last."""
    line = "[THREADS] epoch {}: proc={}, cgroup={}/7680, maps=1851/65530, rss=620MB\n"
    log = tmp_path / "a.log"
    log.write_text("".join(line.format(n, 50 + 5 * n, 60 + 5 * n) for n in range(1, 40)))
    page = tmp_path / "a.html"
    for columns in ("60", "80"):
        outcome = foldwatch("analyze", str(log), "--html", str(page), COLUMNS=columns)
        assert outcome.code == 3
        assert "threads +5, cgroup_pids +5 an epoch" in " ".join(outcome.out.split())
        assert "per epoch:" in outcome.out
        assert outcome.out.splitlines()[-1] == "root cause: epochs keep threads, cgroup_pids"
    assert "growth from epoch to epoch" in page.read_text()


@pytest.mark.slow
def test_a_child_that_grows_has_a_table_of_its_own(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """Named in the first line and in the last; the command fails by it alone."""
    records = [
        reading(
            1,
            float(epoch),
            stage=f"epoch {epoch}/20",
            start_ticks=1,
            maps=60,
            descendants=2,
            children=(child(9, "train.py"), child(maps=1_000 * epoch)),
        )
        for epoch in range(1, 12)
    ]
    journal = write_journal(tmp_path, *records)
    for columns in ("60", "90"):
        outcome = foldwatch("analyze", journal, "--html", str(tmp_path / "a.html"), COLUMNS=columns)
        assert outcome.code == 3
        words = " ".join(outcome.out.split())
        assert words.startswith("GROWING: maps +1,000 an epoch in DataLoader worker pid 812")
        assert "child process DataLoader worker pid 812: " in words
        assert words.endswith("root cause: epochs keep maps of DataLoader worker pid 812")
        assert "train.py" not in words
    assert (
        "growth of the child process DataLoader worker pid 812" in (tmp_path / "a.html").read_text()
    )


@pytest.mark.slow
def test_a_log_that_stops_says_so(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """In the middle of a fold, without a word: no crash, and not nothing either."""
    text = log_of_rank(0)
    log = tmp_path / "a.log"
    log.write_text(text[: text.index("[THREADS] Fold 5/5 after fit")])
    outcome = foldwatch("analyze", str(log), "--html", str(tmp_path / "a.html"))
    assert outcome.code == 0
    assert "ends early: " in outcome.out
    assert "ends early: " in (tmp_path / "a.html").read_text()


def test_what_rises_over_too_few_folds_is_not_called_flat(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """Two uneven steps: no alarm, and no all-clear either; one more fold tells."""
    line = "[THREADS] Fold {}/3 {}: proc=8, cgroup=9/7680, maps={}/65530, rss=620MB\n"
    stages = ("START", "after fit", "AFTER CLEANUP")
    for third, expected in ((3200, "OK so far: maps +620 a fold may be growth"), (2580, "OK: ")):
        log = tmp_path / f"{third}.log"
        log.write_text(
            "".join(
                line.format(fold, stage, maps + 10 * number)
                for fold, maps in ((1, 1850), (2, 2580), (3, third))
                for number, stage in enumerate(stages)
            )
        )
        outcome = foldwatch("analyze", str(log))
        assert outcome.code == 0
        assert outcome.out.startswith(expected)
        assert ("none to look for yet" in outcome.out) == (third == 3200)


def test_many_files_are_counted_and_the_broken_ones_named(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """Not a line for each."""
    for number in range(9):
        (tmp_path / f"{number}.log").write_text(log_of_rank(0) + "[THREADS] torn\n" * (number == 4))
    out = foldwatch("analyze", str(tmp_path), COLUMNS="1000").out  # however long the path is
    assert "9 files: 91 lines, 90 samples" in out
    assert f"{tmp_path / '4.log'}: 11 lines" in out
    assert "5.log: " not in out


def test_many_logs_get_a_line_each_the_worst_first(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """How each ended that did not finish, and what says so; the others are counted."""
    for number in range(5):
        (tmp_path / f"calm-{number}.log").write_text("Epoch 1/2 loss 0.5\nTraining complete!\n")
    (tmp_path / "went-wrong.log").write_text("Epoch 1/2 loss 0.5\nOSError: no such file: 'a'\n")
    (tmp_path / "ended.log").write_text(
        "Epoch 1/2\nslurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***\n"
    )
    lines = foldwatch("analyze", str(tmp_path), COLUMNS="120").out.splitlines()
    first = lines.index("7 processes: 1 crashed, 1 stopped, 5 finished")
    assert lines[first + 1] == "  went-wrong.log: crashed: OSError: no such file: 'a' (line 2)"
    assert lines[first + 2].startswith("  ended.log: stopped: slurmstepd: error: ")
    assert not any("calm" in line for line in lines)


def test_what_decides_is_shown_and_the_rest_on_demand(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """A founded cause has its evidence, the others their names; no statement stands there twice."""
    log = tmp_path / "a.log"
    nearly = "".join(LINE.format(n, "START", 40, 7000 + 100 * n, 1900, 1200) for n in range(1, 6))
    log.write_text(nearly + "RuntimeError: can't start new thread\n")
    short, whole = (
        foldwatch("analyze", str(log), *more, COLUMNS="200").out for more in ((), ("--all",))
    )
    for out in (short, whole):
        assert "  likely: pids_cgroup\n    nearly full at its peak" in out
        assert out.count("peak: 7,500 of 7,680") == 1
    assert "unlikely (max_map_count)" in short
    assert "peak 1,900 of 65,530" not in short
    assert "peak 1,900 of 65,530" in whole
    assert "also weighed" not in whole
    for number in range(12):
        (tmp_path / f"{number}.log").write_text(log_of_rank(0))
    short, whole = (foldwatch("analyze", str(tmp_path), *more).out for more in ((), ("--all",)))
    assert [out.count("process: folds 1-5 of 5") for out in (short, whole)] == [1, 13]


def test_a_message_that_the_headline_holds_is_not_repeated(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """The line number leads to it; one that is cut there is whole below."""
    log = tmp_path / "a.log"
    for message in ("OSError: [Errno 28] No space left on device", "OSError: " + 300 * "x"):
        log.write_text(f"Traceback (most recent call last):\n{message}\n")
        out = foldwatch("analyze", str(log), COLUMNS="500").out
        assert out.partition("\nroot cause")[0].count(message) == 1


def test_a_crash_is_told_before_growth_elsewhere(foldwatch: Foldwatch, tmp_path: Path) -> None:
    """The log that died comes first, also where another grows faster."""
    (tmp_path / "a.log").write_text(log_of_rank(80))
    (tmp_path / "b.log").write_text(log_of_rank(0) + "RuntimeError: can't start new thread\n")
    outcome = foldwatch("analyze", str(tmp_path), COLUMNS="80")
    assert outcome.out.startswith("CRASHED in fold 5 of 5; no resource is seen to grow")
    assert outcome.out.splitlines()[-1] == "root cause: not proven, 7 remain"


@pytest.mark.slow
def test_the_cause_is_taken_from_the_crash_that_is_no_symptom(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """A watchdog that waited for a dead rank is not the root."""
    watchdog = (
        "[rank3]:[E321 02:07:08.4 ProcessGroupNCCL.cpp:616] Watchdog caught collective operation"
        " timeout: WorkNCCL(SeqNum=42, OpType=ALLREDUCE) ran for 1800011 milliseconds\n"
    )
    for rank, said in ((1, watchdog), (2, "RuntimeError: can't start new thread\n")):
        folder = tmp_path / f"fold-{rank}"
        writer = JournalWriter(str(folder / "journal.jsonl"))
        writer.write(Reading(time=1.0, pid=rank, label="a", stage="a", threads=9, maps=9))
        writer.close()
        (folder / "output.log").write_text(said)
    outcome = foldwatch("analyze", str(tmp_path), "--html", str(tmp_path / "a.html"), COLUMNS="80")
    assert outcome.out.splitlines()[-1].startswith("root cause: not proven, 9 remain")
    assert "it follows from: " in outcome.out
    assert "It follows from " in (tmp_path / "a.html").read_text()


def test_readings_without_a_label_are_nothing_to_judge(
    foldwatch: Foldwatch, tmp_path: Path
) -> None:
    """A command that foldwatch watched from outside, and that was over after one sample."""
    JournalWriter(str(tmp_path / "journal.jsonl")).write(Reading(time=1, pid=1, threads=3))
    outcome = foldwatch("analyze", str(tmp_path), "--html", str(tmp_path / "a.html"))
    assert outcome.code == 0
    assert outcome.out.startswith("NOTHING TO JUDGE: no ending is recorded")
    assert "Traceback" not in outcome.err
