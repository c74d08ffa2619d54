"""Runs of several ranks: which of them grows is said, live and afterwards, and no healthy one is said to."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.groups import group_findings
from analyzer.pipeline import analyze
from analyzer.reports.headline import headline
from telemetry.daemon.daemon import Daemon
from telemetry.journal.records import Event, Header
from telemetry.reading import GpuUsage, Reading
from telemetry.thread_line import format_line, thread_line
from tests.support.builders import NOW, header, reading, write_journal
from tests.support.waiting import wait_until
from trainer.runner.growth_so_far import judge_run, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from telemetry.journal.records import Record

RANKS = ("0", "1", "2", "3")
STAGES = ("START", "AFTER FIT", "AFTER CLEANUP")


def lockstep(
    *,
    leaking: tuple[str, ...] = ("2",),
    folds: int = 4,
    rank: bool = True,
    noise: int = 0,
    seed: int = 7,
) -> Iterator[Record]:
    """Give what four ranks write, in turns that change from label to label, each in a process from 100 on."""
    numbers = random.Random(seed)
    for place, name in enumerate(RANKS):
        host = "gpu-07" if place > 1 else "gpu-06"
        yield header(host, name if rank else "", pid=100 + place, start_ticks=place)
    for fold in range(1, folds + 1):
        for number, stage in enumerate(STAGES):
            for place in numbers.sample(range(4), 4):
                leaked = 730 * fold if RANKS[place] in leaking else 0
                yield reading(
                    fold,
                    NOW + 100 * fold + 10 * number + place / 10,
                    folds=folds,
                    stage=stage,
                    pid=100 + place,
                    start_ticks=place,
                    maps=1850 + leaked + numbers.randrange(noise + 1),
                    limits={"max_map_count": 65530},
                )


def said(path: Path | str) -> str:
    found = analyze(str(path))
    return headline(found, group_findings(found))


@pytest.mark.parametrize(
    ("leaking", "words"),
    [
        (("2",), "GROWING: rank 2 of 4 (gpu-07): maps +730 a fold; the other three flat"),
        (("0", "3"), "GROWING: ranks 0, 3 of 4: maps +730 a fold; the other two flat"),
        (RANKS, "GROWING: all 4 ranks: maps +730 a fold"),
    ],
)
def test_the_ranks_that_grow_are_named(
    leaking: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """Once where all do; and whether the others do not."""
    write_journal(tmp_path, *lockstep(leaking=leaking))
    assert said(tmp_path).startswith(words)


def test_the_rank_that_differs_is_the_odd_one_out(tmp_path: Path) -> None:
    """It is said of that rank alone, and by the live verdict as well."""
    path = write_journal(tmp_path, *lockstep())
    notes = {finding.process.rank: finding.notes for finding in analyze(str(tmp_path)).findings}
    words = "maps 4,770, the odd one out: the other 3 ranks have 1,850"
    assert words in notes["2"]
    assert not any("odd one out" in note for rank in "013" for note in notes[rank])
    assert {one.pid: one.odd for one in judge_run([path])}[102] == (words,)


def in_lockstep(seconds: float, **values: Sequence[Any]) -> Iterator[Record]:
    """Give what three ranks write, a label every so many seconds.

    Args:
        seconds: Between two labels.
        **values: For fields of `Reading`, the value of each rank; of ``cpu_seconds``, what each uses in a second.
    """
    yield from (header("node", str(rank), pid=rank, start_ticks=rank) for rank in range(3))
    for label in range(6):
        for rank in range(3):
            own = {name: of_ranks[rank] for name, of_ranks in values.items()}
            if "cpu_seconds" in own:
                own["cpu_seconds"] *= seconds * label
            at = NOW + label * seconds
            yield reading(label + 1, at, folds=6, pid=rank, start_ticks=rank, **own)


def odd_notes(path: Path) -> list[tuple[str | None, str]]:
    return [
        (finding.process.rank, note)
        for finding in analyze(str(path)).findings
        for note in finding.notes
        if "odd one out" in note
    ]


def test_the_rank_that_computes_more_is_the_odd_one_out(tmp_path: Path) -> None:
    """By its CPU time in a second between labels."""
    write_journal(tmp_path, *in_lockstep(10.0, cpu_seconds=(1.0, 3.5, 1.1)))
    words = "cpu_cores 3.50, the odd one out: the other 2 ranks have 1.00 to 1.10"
    assert odd_notes(tmp_path) == [("1", words)]


@pytest.mark.parametrize(("seconds", "cores"), [(0.5, (1.0, 3.5, 1.1)), (10.0, (-1.0, -9.0, -1.0))])
def test_cpu_time_that_says_nothing_is_not_compared(
    seconds: float, cores: tuple[float, ...], tmp_path: Path
) -> None:
    """Between labels that are less than a second apart, and where it falls."""
    write_journal(tmp_path, *in_lockstep(seconds, cpu_seconds=cores))
    assert odd_notes(tmp_path) == []


def test_ranks_are_compared_by_the_gpu_memory_of_their_own(tmp_path: Path) -> None:
    """The GPU that is the fullest is the same one for all of them."""
    gpus = [(GpuUsage(gpu="0", process_used_bytes=held << 30),) for held in (10, 10, 30)]
    write_journal(tmp_path, *in_lockstep(10.0, gpus=gpus, gpu_memory_used_bytes=(30 << 30,) * 3))
    words = "own_gpu_memory 30,720 MB, the odd one out: the other 2 ranks have 10,240 MB"
    assert odd_notes(tmp_path) == [("2", words)]


@pytest.mark.parametrize(
    ("launcher", "command"),
    [
        (
            ("/opt/bin/torchrun", "--nproc-per-node=4", "train.py"),
            "foldwatch run --folds 4 -- /opt/bin/torchrun --nproc-per-node=4 train.py --fold {fold}",
        ),
        (
            ("python", "-m", "torch.distributed.run", "train.py"),
            "foldwatch run --folds 4 -- python -m torch.distributed.run train.py --fold {fold}",
        ),
        (("bash", "job.sh"), "foldwatch run --folds 4 -- python train.py --fold {fold}"),
    ],
)
def test_the_steps_for_ranks_repeat_the_command_that_started_them(
    launcher: tuple[str, ...], command: str, tmp_path: Path
) -> None:
    """If the record has it, as under foldwatch run: the command of a rank alone would start one of them."""
    records: list[Record] = [
        replace(record, argv=("train.py",)) if isinstance(record, Header) else record
        for record in lockstep()
    ]
    above: list[Record] = [
        header(pid=7, argv=launcher),
        reading(time=NOW, stage=None, start_ticks=1),
    ]
    write_journal(tmp_path, *above, *records)
    assert command in {step.command for step in analyze(str(tmp_path)).remedies}


def test_an_evaluation_is_not_compared_with_the_ranks(tmp_path: Path) -> None:
    """Though it has the number of one by its environment: the one that differs is found beside it."""
    evaluation: list[Record] = [
        header("node", "0", pid=9, start_ticks=9),
        *(
            reading(n, NOW + 10 * n - at, folds=6, stage=f"EVALUATE {at}", pid=9, start_ticks=9)
            for n in range(1, 6)
            for at in (2, 1)
        ),
    ]
    records = [*evaluation, *in_lockstep(10.0, maps=(900, 2_900, 900))]
    records.sort(key=lambda record: (isinstance(record, Reading), record.time))
    write_journal(tmp_path, *records)
    assert [rank for rank, _ in odd_notes(tmp_path)] == ["1"]


@pytest.mark.parametrize("rank", ["", "0"])
def test_an_evaluation_process_per_fold_is_no_rank(rank: str, tmp_path: Path) -> None:
    """Beside the one that trains in all of them; whether it has that one's rank by its environment or none."""
    records: list[Record] = [
        header("node", rank, pid=pid, start_ticks=pid) for pid in range(100, 106)
    ]
    for fold in range(1, 6):
        begun = NOW + 100 * fold
        for at, pid, stage in (
            (0, 100, "START"),
            (10, 100 + fold, "EVALUATE"),
            (20, 100, "FIT"),
            (30, 100 + fold, "EVALUATED"),
            (40, 100, "END"),
        ):
            maps = 1850 + (730 * fold if pid == 100 else 0)
            own = {"pid": pid, "start_ticks": pid, "maps": maps}
            records.append(reading(fold, begun + at, folds=5, stage=stage, **own))
    write_journal(tmp_path, *records)
    assert said(tmp_path).startswith("GROWING: maps +730 a fold")


def test_processes_that_nobody_gave_ranks_are_told_apart(tmp_path: Path) -> None:
    """As multiprocessing starts them; they are named by their numbers."""
    write_journal(tmp_path, *lockstep(rank=False))
    words = "GROWING: process 102 of 4 (gpu-07): maps +730 a fold; the other three flat"
    assert said(tmp_path).startswith(words)


def test_lines_say_their_rank_without_a_prefix(tmp_path: Path) -> None:
    """In one log of all ranks, with a time in front and without one."""
    lines = [
        format_line(thread_line(one, rank=RANKS[one.pid - 100]))
        for one in lockstep()
        if isinstance(one, Reading)
    ]
    for name, before in (("a.log", ""), ("b.log", "2026-01-14T03:12:44Z INFO fit: ")):
        (tmp_path / name).write_text("".join(f"{before}{line}\n" for line in lines))
        words = "GROWING: rank 2 of 4: maps +730 a fold; the other three flat"
        assert said(tmp_path / name).startswith(words)


def test_each_rank_has_its_own_verdict_after_every_label(tmp_path: Path) -> None:
    """From the third fold on the right one grows, whoever wrote last; before, nobody does."""
    records = [*lockstep(folds=5)]
    for count in range(5, len(records) + 1):
        path = write_journal(tmp_path / str(count), *records[:count])
        found = {one.pid: one.growth for one in judge_run([path])}
        maps = {
            pid: growth.verdict
            for pid, several in found.items()
            for growth in several
            if growth.resource == "maps"
        }
        folds = 1 + (count - 5) // 12
        assert [pid for pid, verdict in maps.items() if verdict == "growing"] in (
            [[102]] if folds > 3 else [[], [102]]
        )
        if folds > 3:
            both = [growth for several in found.values() for growth in several]
            assert next(one for one in worst(both) if one.resource == "maps").per_fold == 730


def live_verdicts(top: Path) -> dict[tuple[str, str], str]:
    """Return the verdict on maps by host and rank that a daemon comes to."""
    one = Daemon(str(top), judge=judge_run, clock=lambda: NOW + 500)

    def found() -> dict[tuple[str, str], str]:
        one.collect()
        return {
            (snapshot.host, snapshot.rank): growth.verdict
            for snapshot in one.snapshots
            for growth in snapshot.growth
            if growth.resource == "maps"
        }

    return wait_until(found, 20, "a verdict")


def test_the_daemon_gives_growth_to_the_rank_that_grows(tmp_path: Path) -> None:
    """And to no healthy one."""
    write_journal(tmp_path / "run", *lockstep())
    found = live_verdicts(tmp_path)
    assert [rank for rank, verdict in found.items() if verdict == "growing"] == [("gpu-07", "2")]
    assert len(found) == 4


def test_live_processes_that_share_a_rank_are_shown_by_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first of each host keeps what they share; and it is said once."""
    write_journal(tmp_path / "run", *lockstep(rank=False))
    found = live_verdicts(tmp_path)
    growing = [rank for rank, verdict in found.items() if verdict == "growing"]
    assert growing in ([("gpu-07", "")], [("gpu-07", "pid 102")])
    assert len(found) == 4
    assert sum("several live processes" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("seed", range(5))
def test_healthy_ranks_are_no_false_alarm(seed: int, tmp_path: Path) -> None:
    """Forty folds each, of maps that wander."""
    write_journal(tmp_path, *lockstep(leaking=(), folds=40, noise=30, seed=seed))
    assert said(tmp_path).startswith("OK")


def test_a_rank_that_crashed_does_not_hide_the_one_that_grows(tmp_path: Path) -> None:
    """Nothing says then that no resource grows."""
    ended = Event(
        time=NOW + 450, pid=103, name="exited", facts={"exit_code": 137, "signal": "SIGKILL"}
    )
    write_journal(tmp_path, *lockstep(), ended)
    words = said(tmp_path)
    assert words.startswith("CRASHED in fold 4 of 4 of rank 3")
    assert "rank 2 of 4 (gpu-07): maps +730 a fold; the other three flat" in words


def attempts(*, hosts: tuple[str, str], overlap: float) -> Iterator[Record]:
    """Give a run whose first process fails in fold 3, and a second one that begins ``overlap`` seconds before that and ends it."""
    for place, (host, folds) in enumerate(zip(hosts, ((1, 2, 3), (3, 4, 5)), strict=True)):
        began = NOW + place * (400 - overlap)
        yield header(host, pid=7 + place, start_ticks=place, versions={"python": "3"})
        for fold in folds:
            for number, stage in enumerate(STAGES):
                yield reading(
                    fold,
                    began + 100 * (fold - folds[0]) + 10 * number,
                    folds=5,
                    stage=stage,
                    pid=7 + place,
                    start_ticks=place,
                )
        code = 0 if place else 1
        yield Event(time=began + 330, pid=7 + place, name="exited", facts={"exit_code": code})


@pytest.mark.parametrize("hosts", [("a", "a"), ("a", "b")])
@pytest.mark.parametrize("overlap", [0, 300])
def test_a_run_that_was_resumed_is_no_pair_of_ranks(
    hosts: tuple[str, str], overlap: float, tmp_path: Path
) -> None:
    """On another host, and where the clock was set back: the order of the records tells who was first."""
    write_journal(tmp_path, *attempts(hosts=hosts, overlap=overlap))
    assert said(tmp_path).startswith("OK")


def test_a_label_that_does_not_know_its_process_s_start_makes_no_rank(tmp_path: Path) -> None:
    """As one that could not be read has it; live as well."""
    records = [*lockstep(leaking=(), rank=False)]
    own = [one for one in records if one.pid == 100]
    odd = [
        replace(one, start_ticks=None, time=one.time + 1) for one in own if isinstance(one, Reading)
    ][4]
    write_journal(tmp_path / "run", *own[:5], odd, *own[5:])
    assert "of 2" not in said(tmp_path / "run")
    assert set(live_verdicts(tmp_path)) == {("gpu-06", "")}
