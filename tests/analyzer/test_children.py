"""The child processes of a run: each is judged, and the one that met its limit is named."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from analyzer import analyze, compare
from analyzer.groups import group_findings
from analyzer.processes.children import MOST_CHILDREN
from analyzer.reports.headline import headline, root_cause_line
from analyzer.reports.html_report import as_html
from analyzer.reports.json_report import as_json, comparison_json
from foldwatch.text.comparison import comparison_text
from tests.support.builders import child, exited, header, reading, write_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from analyzer.api import Analysis
    from telemetry.reading import ChildUsage, Reading

LIMITS = {"max_map_count": 65_530}
REFUSED = "OSError: [Errno 12] Cannot allocate memory\n"


def parent(time: float, *children: ChildUsage, **more: Any) -> Reading:
    """Give a reading of a process that does nothing but wait for its children."""
    calm: dict[str, Any] = {"start_ticks": 1, "maps": 60, "descendants": len(children)}
    return reading(time=time, limits=LIMITS, children=children, **(calm | more))


def in_folds(
    tmp_path: Path, children: Callable[[int], Iterable[ChildUsage]], *, folds: int = 5
) -> Analysis:
    """Write folds with the children that each has, and judge them."""
    records = [
        parent(10.0 * fold + n, *children(fold), fold=fold, folds=folds, stage=stage)
        for fold in range(1, folds + 1)
        for n, stage in enumerate(("START", "END"))
    ]
    return analyze([write_journal(tmp_path, *records)])


def grown(found: Analysis) -> list[tuple[str, int | None, list[str]]]:
    """Return role, PID and resources of the children that grow."""
    (finding,) = found.findings
    return [
        (one.role, one.process.pid, sorted({name for axis in one.axes for name in axis}))
        for one in finding.children
    ]


def test_a_child_that_grows_from_fold_to_fold_is_named(tmp_path: Path) -> None:
    """By the rules of the process itself: the one that leaks, and neither its sibling nor its parent."""
    found = in_folds(
        tmp_path,
        lambda fold: (child(812, maps=900 + 4_000 * fold), child(813), child(814, role="train.py")),
    )
    assert grown(found) == [("DataLoader worker", 812, ["maps"])]
    assert (found.verdict, found.is_alarming) == ("growing", True)
    parts = group_findings(found)
    assert headline(found, parts).startswith(
        "GROWING: maps +4,000 a fold in DataLoader worker pid 812"
    )
    assert (
        root_cause_line(found, parts) == "root cause: folds keep maps of DataLoader worker pid 812"
    )
    assert "DataLoader worker pid 812" in as_html(found)
    (told,) = as_json(found)["processes"][0]["children"]
    assert (told["role"], told["pid"]) == ("DataLoader worker", 812)
    assert told["resources"]["maps"]["per_fold"] == 4_000
    assert told["resources"]["maps"]["limit"] == 65_530


@pytest.mark.parametrize(
    ("role", "step"),
    [
        ("DataLoader worker", "persistent_workers=False"),
        ("torchrun rank 1", "start torchrun anew for each fold"),
        ("loky worker", "get_reusable_executor"),
        ("Ray worker", "max_calls"),
        ("forked worker", "maxtasksperchild"),
        ("train.py", "restart it before it is full"),
    ],
)
def test_what_helps_is_what_ends_such_a_child(role: str, step: str, tmp_path: Path) -> None:
    """By its role, once for several; the process that began it comes after."""
    found = in_folds(
        tmp_path,
        lambda fold: [child(pid, role, maps=900 + 4_000 * fold) for pid in (812, 813)],
    )
    (remedy,) = found.remedies
    assert step in remedy.text
    assert f"what {role} pid 81" in remedy.text


def test_what_starts_ranks_anew_is_said_with_its_command(tmp_path: Path) -> None:
    """That of the process that was recorded, which is torchrun."""
    argv = ("torchrun", "--nproc-per-node=2", "train.py")
    records = [
        parent(10.0 * n, child(8, "torchrun rank 1", maps=900 + 4_000 * n), fold=n, folds=5)
        for n in range(1, 6)
    ]
    (step, *_) = analyze([write_journal(tmp_path, header(argv=argv), *records)]).remedies
    assert step.command == (
        "foldwatch run --folds 5 -- torchrun --nproc-per-node=2 train.py --fold {fold}"
    )


@pytest.mark.parametrize(("own", "is_told"), [(0, False), (2**28, True)])
def test_a_process_per_fold_is_no_step_against_what_children_keep(
    own: int, *, is_told: bool, tmp_path: Path
) -> None:
    """Though the whole tree grows by it; but where the process that began them grows as well."""
    records = [
        parent(
            10.0 * fold + n,
            child(812, rss_bytes=2**28 * (1 + fold)),
            fold=fold,
            folds=5,
            stage=stage,
            rss_bytes=2**30 + own * fold,
            tree_rss_bytes=2**31 + (own + 2**28) * fold,
        )
        for fold in range(1, 6)
        for n, stage in enumerate(("START", "END"))
    ]
    texts = [step.text for step in analyze([write_journal(tmp_path, *records)]).remedies]
    assert "persistent_workers=False" in texts[0]
    assert any("each fold in a process of its own" in text for text in texts) is is_told


@pytest.mark.parametrize(
    ("step", "resource"),
    [
        ({"threads": 30}, "threads"),
        ({"rss_bytes": 2**28}, "rss_bytes"),
        ({"open_fds": 90}, "open_fds"),
    ],
)
def test_each_resource_of_a_child_is_judged(
    step: dict[str, int], resource: str, tmp_path: Path
) -> None:
    """Threads, memory and descriptors as well as maps."""
    found = in_folds(
        tmp_path,
        lambda fold: (
            replace(child(), **{name: value * (fold + 1) for name, value in step.items()}),  # type: ignore[arg-type] # names are the fields'
        ),
    )
    assert grown(found) == [("DataLoader worker", 812, [resource])]


def test_calm_children_are_not_told(tmp_path: Path) -> None:
    """Nor is a reading without them: the budget left them out."""
    found = in_folds(tmp_path, lambda fold: [child(n) for n in range(9)] if fold != 3 else [])
    assert (grown(found), found.verdict) == ([], "ok")


def test_a_child_that_two_readings_tell_of_was_read_once(tmp_path: Path) -> None:
    """When it was read is said beside it; a label that comes later tells of it again."""
    records = [
        parent(10.0 * n, child(812, maps=900 + 100 * n), children_time=10.0 * n - at, stage=stage)
        for n in range(1, 4)
        for at, stage in ((0.5, None), (0.5, f"step {n}"))
    ]
    (finding,) = analyze([write_journal(tmp_path, *records)]).findings
    assert finding.process.children is not None
    (record,) = finding.process.children
    assert [*record.samples.times] == [9.5, 19.5, 29.5]
    assert len(record.checkpoints) == 3
    assert record.rise_at("maps", 19.5) == (10.0, 29.5)


def test_a_child_that_is_new_in_each_fold_is_held_against_those_in_its_place(
    tmp_path: Path,
) -> None:
    """By role and order of start: the second worker begins with more each time, whatever its PID."""
    found = in_folds(
        tmp_path,
        lambda fold: (
            child(100 * fold + 2, start_ticks=100 * fold + 2, maps=900 + 4_000 * fold),
            child(100 * fold + 1, start_ticks=100 * fold + 1),
        ),
    )
    assert grown(found) == [("DataLoader worker", None, ["maps"])]
    assert "in DataLoader worker of each fold" in headline(found, group_findings(found))


def test_a_child_that_grows_from_epoch_to_epoch(tmp_path: Path) -> None:
    """A fold may be one fit."""
    records = [
        parent(float(epoch), child(maps=1_000 * epoch), fold=1, stage=f"epoch {epoch}/20")
        for epoch in range(1, 12)
    ]
    found = analyze([write_journal(tmp_path, *records)])
    assert grown(found) == [("DataLoader worker", 812, ["maps"])]
    assert found.verdict == "growing"
    assert "epochs keep maps of DataLoader worker pid 812" in root_cause_line(
        found, group_findings(found)
    )


def test_a_child_that_grows_over_time_where_nothing_is_labelled(tmp_path: Path) -> None:
    """As `foldwatch run` records a command that prints nothing."""
    records = [
        parent(10.0 * n, child(maps=1_000 + 100 * n), stage=None, fold=None) for n in range(90)
    ]
    found = analyze([write_journal(tmp_path, *records)])
    assert grown(found) == [("DataLoader worker", 812, ["maps"])]
    assert found.verdict == "growing"


def test_very_many_children_cost_bounded_memory(tmp_path: Path) -> None:
    """New workers in each of 2,000 epochs; the one that lasts and leaks is still judged."""
    records = [
        parent(
            float(n),
            child(5, role="train.py", maps=1_000 + 30 * n),
            *(child(1_000 + 10 * n + k) for k in range(9)),
            fold=1 + n // 100,
            folds=20,
            stage=f"step {n % 100}",
        )
        for n in range(0, 2_000, 4)
    ]
    found = analyze([write_journal(tmp_path, *records)])
    (process,) = (finding.process for finding in found.findings)
    assert process.children is not None
    assert len([*process.children]) <= MOST_CHILDREN + 50
    assert ("train.py", 5, ["maps"]) in grown(found)


def failed(tmp_path: Path, *records: Reading, end: float, log: str = REFUSED) -> Analysis:
    """Write a run of one fold that ended with exit code 1 at ``end``."""
    write_journal(tmp_path, *records, exited(end, exit_code=1))
    (tmp_path / "output.log").write_text(log)
    return analyze([str(tmp_path)])


def worker(maps: int | None) -> ChildUsage:
    """Give the rank that leaks."""
    return child(41, "torchrun rank 1", maps=maps)


def standing(found: Analysis, cause: str = "max_map_count") -> tuple[str, str]:
    """Return the standing of a cause, and its evidence."""
    (finding,) = found.findings
    told = next(one for one in finding.causes if one.cause == cause)
    return told.confidence, "; ".join(told.evidence)


def test_a_child_at_its_limit_at_the_failure_is_proof(tmp_path: Path) -> None:
    """Whatever little its parent uses; the child is named."""
    records = [parent(float(n), worker(60_000 + 1_383 * n), fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path, *records[:4], end=5.0)
    assert standing(found) == (
        "certain",
        "at the limit: 65,532 of 65,530 (100%) in torchrun rank 1 pid 41, read 1.0 s before the end",
    )
    line = root_cause_line(found, group_findings(found))
    assert "torchrun rank 1 pid 41" in line


def test_a_count_that_was_about_to_meet_the_limit_is_proof(tmp_path: Path) -> None:
    """The rank was gone at the next reading, and at its rate it had met the limit by then."""
    records = [parent(float(n), worker(61_000 + 1_000 * n), fold=1, folds=1) for n in range(1, 5)]
    gone = parent(5.0, child(40, "torchrun rank 0"), fold=1, folds=1)
    found = failed(tmp_path / "a", *records, gone, end=5.5)
    assert standing(found)[0] == "certain"
    freed = parent(5.0, worker(43), fold=1, folds=1)
    found = failed(tmp_path / "e", *records, freed, end=5.5)
    assert standing(found)[0] == "certain"
    slow = [parent(float(n), worker(64_000 + 10 * n), fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path / "b", *slow, gone, end=5.5)
    assert standing(found)[0] == "likely"
    early = [parent(float(n), worker(60_000 + 1_000 * n), fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path / "c", *early, gone, end=5.5)
    assert standing(found)[0] == "likely"
    found = failed(tmp_path / "d", *records, gone, end=50.0)
    assert standing(found)[0] == "likely"


def test_a_child_far_from_its_limit_speaks_for_nothing(tmp_path: Path) -> None:
    """And a process that is nearer itself is what is told."""
    records = [parent(float(n), worker(2_000), maps=900, fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path / "a", *records, end=5.0)
    assert standing(found) == ("possible", "peak 2,000 of 65,530 (3%) in torchrun rank 1 pid 41")
    records = [replace(one, maps=64_000) for one in records]
    found = failed(tmp_path / "b", *records, end=5.0)
    assert "nearly full at its peak: 64,000 of 65,530 (98%)" in standing(found)[1]
    assert "rank 1" not in standing(found)[1]


def test_a_refusal_is_not_survived_because_another_rank_wrote_on(tmp_path: Path) -> None:
    """Ranks write into one log; the rank that was refused had met its limit."""
    full = [parent(float(n), worker(65_530), fold=1, folds=1) for n in range(1, 5)]
    log = f"epoch 1/9\n{REFUSED}epoch 2/9\nepoch 3/9\n"
    found = failed(tmp_path / "a", *full, end=5.0, log=log)
    assert standing(found)[0] == "certain"
    calm = [parent(float(n), worker(900), fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path / "b", *calm, end=5.0, log=log)
    assert [cause.cause for cause in found.findings[0].causes] == ["not_a_limit"]


def test_a_child_at_its_limit_is_told_where_the_log_says_nothing(tmp_path: Path) -> None:
    """As is a counter of the kernel's that rose."""
    full = [parent(float(n), worker(65_530), fold=1, folds=1) for n in range(1, 5)]
    found = failed(tmp_path, *full, end=5.0, log="")
    assert standing(found)[0] == "certain"
    crash = found.findings[0].process.crash
    assert crash is not None
    assert crash.signature == "ended_at_a_limit"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (0, "better: maps of DataLoader worker"),
        (4_000, "no clear difference"),
        (9_000, "worse: maps of DataLoader worker"),
        (None, "no clear difference"),
    ],
)
def test_children_are_compared_by_their_roles(now: int | None, words: str, tmp_path: Path) -> None:
    """With the worst of each side, whatever their PIDs; nothing is said of a role that a side does not have."""
    before = in_folds(tmp_path / "a", lambda fold: [child(812, maps=900 + 4_000 * fold)])
    after = in_folds(
        tmp_path / "b",
        lambda fold: (
            [child(9), child(10, maps=900 + now * fold)]
            if now is not None
            else [child(9, "raylet")]
        ),
    )
    found = compare(before, after)
    assert found.sentence == words
    (told,) = comparison_json(found)["children"]
    assert (told["role"], told["resource"]) == ("DataLoader worker", "maps")
    assert told["before"]["per_fold"] == 4_000
    assert (told["after"] is None) is (now is None)
    assert "maps of DataLoader worker" in as_html(after, found)
    shown = io.StringIO()
    for part in comparison_text(found, width=100):
        Console(file=shown, width=100).print(part)
    assert "maps of DataLoader worker: " in shown.getvalue()
