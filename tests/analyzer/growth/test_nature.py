"""What grown memory is, from the memory of each fold before and after it was settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.growth.nature import find_nature
from analyzer.processes.settled import Settled
from foldwatch.main import main
from telemetry.journal.follower import JournalFollower
from telemetry.journal.records import Event
from telemetry.recorder.last_words import ATTRIBUTED
from telemetry.thread_line import MEBIBYTE
from tests.support.builders import NOW, header, reading, write_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FOLDS = 5
BASE = {"anon": 100, "file": 20, "shmem": 0, "in_use": 60, "kept": 5}


def folds(
    grows: Mapping[str, float],
    released: float = 0.0,
    *,
    blocks: int = 0,
    pools: Sequence[str] = (),
    count: int = FOLDS,
) -> list[Settled]:
    """Give folds of which each part grows by so many MB a fold, and so many more each time go back."""
    found = []
    for number in range(1, count + 1):
        after = {name: int((BASE[name] + number * grows.get(name, 0)) * MEBIBYTE) for name in BASE}
        after["rss"] = after["anon"] + after["file"] + after["shmem"]
        back = int(number * released * MEBIBYTE)
        before = after | {"rss": after["rss"] + back, "anon": after["anon"] + back}
        for memory in (before, after):
            memory["python_blocks"] = 50_000 + number * blocks
        found.append(Settled(number, "glibc", pools, before, after, {}, {}, {}))
    return found


@pytest.mark.parametrize(
    ("found", "nature"),
    [
        (folds({"anon": 40, "in_use": 38}), "held"),
        (folds({"anon": 40, "in_use": 2}, blocks=300_000), "held"),
        (folds({"anon": 40}), "held"),
        (folds({"anon": 40}, pools=["pyarrow"]), "unknown"),
        (folds({"anon": 0.5}, released=40), "kept by malloc"),
        (folds({"anon": 40, "kept": 40}), "kept by malloc"),
        (folds({"file": 40}), "file pages"),
        (folds({"shmem": 40}), "shared memory"),
        (folds({"file": 20, "shmem": 20}), "unknown"),
        (folds({"shmem": 40, "anon": 5, "in_use": 5}), "shared memory"),
    ],
    ids=[
        *("malloc", "Python", "mapped", "mapped by whom", "given back", "pieces"),
        *("files", "shared", "half and half", "most"),
    ],
)
def test_the_part_that_grows_says_what_it_is(found: list[Settled], nature: str) -> None:
    """Most of the growth must be of one kind, and another count must agree."""
    named = find_nature(found)
    assert named is not None
    assert named.nature == nature


def test_large_blocks_that_fill_up_may_be_anything() -> None:
    """A pool takes memory from malloc long before it is used."""
    found = folds({"anon": 40}, pools=["tensorflow"])
    taken = [60, 60, 192, 192, 192]
    found = [
        one._replace(after={**one.after, "in_use": size * MEBIBYTE})
        for one, size in zip(found, taken, strict=True)
    ]
    named = find_nature(found)
    assert named is not None
    assert named.nature == "unknown"
    assert "a pool of tensorflow" in named.reason


@pytest.mark.parametrize(
    "found",
    [[], folds({"anon": 40}, count=1), folds({}), folds({"anon": 0.2}), folds({"anon": -40})],
    ids=["none", "one", "flat", "next to nothing", "falls"],
)
def test_without_growth_nothing_is_said(found: list[Settled]) -> None:
    """Nor of a single fold."""
    assert find_nature(found) is None


def test_what_goes_back_each_time_is_told_without_growth() -> None:
    """It would have been kept."""
    found = [
        one._replace(before={**one.before, "rss": one.after["rss"] + 60 * MEBIBYTE})
        for one in folds({})
    ]
    named = find_nature(found)
    assert named is not None
    assert (named.nature, named.is_given_back) == ("kept by malloc", True)


@pytest.mark.parametrize("part", ["anon", "rss", "in_use", "kept", "python_blocks"])
def test_a_part_that_is_not_known_costs_no_exception(part: str) -> None:
    """As with another allocator, or an old kernel."""
    for grows in ({"anon": 40, "in_use": 40}, {"file": 40}, {"anon": 40, "kept": 40}):
        find_nature(
            [
                one._replace(
                    before={k: v for k, v in one.before.items() if k != part},
                    after={k: v for k, v in one.after.items() if k != part},
                )
                for one in folds(grows)
            ]
        )


def _run(folder: Path, settled: Sequence[Settled]) -> Path:
    records: list[Any] = [header(argv=("train.py",), versions={"python": "3"})]
    for one in settled:
        rss = one.before["rss"]
        records += [
            reading(one.fold, stage="START", rss_bytes=rss),
            reading(one.fold, stage="AFTER CLEANUP", rss_bytes=rss),
        ]
        facts = {"fold": one.fold, "folds": FOLDS, "allocator": "glibc"}
        memory = {"before": dict(one.before), "after": dict(one.after)}
        records.append(Event(time=1.0, pid=7, name="settled", facts=facts | memory))
    write_journal(folder, *records)
    return folder


@pytest.mark.parametrize(
    ("grows", "released", "words"),
    [
        ({"anon": 40, "in_use": 40}, 0.0, ("(held) a fold", "root cause: folds keep rss")),
        ({}, 40.0, ("(kept by malloc) a fold", "malloc keeps memory that the folds have given")),
        ({"anon": 40, "kept": 40}, 0.0, ("MALLOC_ARENA_MAX=2", "(kept by malloc) a fold")),
        ({"file": 40}, 0.0, ("(file pages) a fold", "files stay mapped that the folds have read")),
        ({"shmem": 40}, 0.0, ("(shared memory) a fold", "ls -l /dev/shm")),
    ],
    ids=["held", "given back", "pieces", "files", "shared"],
)
def test_the_report_names_it_and_what_helps(
    tmp_path: Path,
    grows: dict[str, float],
    released: float,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the first line, in the advice, and in the last line."""
    assert main(["analyze", str(_run(tmp_path, folds(grows, released)))]) == 3
    shown = " ".join(capsys.readouterr().out.split())
    for word in words:
        assert word in shown


def test_the_journal_s_last_word_on_a_fold_counts(tmp_path: Path) -> None:
    """A fold that was repeated in the same process was settled twice."""
    once = folds({"anon": 40, "in_use": 40})
    finding = analyze(_run(tmp_path, [*folds({}), *once])).findings[0]
    nature = finding.growth["rss_bytes"].nature
    assert nature is not None
    assert nature.nature == "held"


def test_what_was_settled_outside_folds_is_not_judged_by_folds(tmp_path: Path) -> None:
    """A script may settle whenever it likes."""
    found = [one._replace(fold=None) for one in folds({"anon": 40, "in_use": 40})]
    write_journal(tmp_path, header(versions={"python": "3"}), reading(stage="load"))
    for one in found:
        memory = {"before": dict(one.before), "after": dict(one.after)}
        write_journal(tmp_path, Event(time=1.0, pid=7, name="settled", facts=memory))
    assert analyze(tmp_path).findings[0].growth["rss_bytes"].nature is None


@pytest.mark.parametrize(
    ("grows", "released", "nature"),
    [({"anon": 40, "in_use": 38}, 0.0, "held"), ({"anon": 0.5}, 40.0, "kept by malloc")],
)
def test_one_fit_is_settled_every_few_epochs(
    tmp_path: Path, grows: Mapping[str, float], released: float, nature: str
) -> None:
    """Without folds the growth from epoch to epoch has a nature, and what helps against it."""
    records: list[Any] = [header()]
    for number, one in enumerate(folds(grows, released, count=30), start=1):
        rss = one.before["rss"]
        records.append(reading(time=NOW + number, stage=f"epoch {number}", rss_bytes=rss))
        memory = {"before": dict(one.before), "after": dict(one.after), "allocator": "glibc"}
        records.append(Event(time=NOW + number + 0.5, pid=7, name="settled", facts=memory))
    write_journal(tmp_path, *records)
    (found,) = analyze(tmp_path).findings
    growth = found.epochs["rss_bytes"]
    assert growth.verdict == "growing"
    assert growth.nature is not None
    assert growth.nature.nature == nature
    assert "a settling" in growth.nature.reason
    is_told = any("malloc give back" in remedy.text for remedy in found.remedies)
    assert is_told == (nature == "kept by malloc")


def test_the_memory_of_a_tree_counts_each_page_once(tmp_path: Path) -> None:
    """Of the last time that it was settled; and of a process without children there is nothing to say."""
    tree = {
        "processes": 3,
        "rss_bytes": 900 * MEBIBYTE,
        "pss_bytes": 310 * MEBIBYTE,
        "uss_bytes": 9,
    }
    memory: dict[str, Any] = {"before": {}, "after": {}}
    events = [
        Event(time=NOW + number, pid=7, name="settled", facts=memory | {"tree": found})
        for number, found in enumerate(({"processes": 1}, tree), start=1)
    ]
    for count, words in ((1, []), (2, ["310 MB together (PSS)"])):
        folder = tmp_path / str(count)
        write_journal(folder, header(), reading(1), *events[:count])
        (found,) = analyze(folder).findings
        assert len(found.notes) == len(words)
        assert all(word in note for word, note in zip(words, found.notes, strict=True))


@pytest.mark.parametrize(
    ("grows", "number", "named"),
    [
        ({"anon": 40, "in_use": 40}, "malloc_bytes", "leak"),
        ({"shmem": 40}, "shared_bytes", "leak"),
        ({"shmem": 40}, "malloc_bytes", None),
    ],
)
def test_the_function_is_told_by_the_memory_that_grew(
    tmp_path: Path, grows: Mapping[str, float], number: str, named: str | None
) -> None:
    """What a function takes from malloc is no shared memory."""
    whole = {"rss_bytes": 160 * MEBIBYTE}
    own = {number: (16 if named is None else 160) * MEBIBYTE}
    calls = [
        {"call": call, "caller": max(0, call - 1), "function": function, "grown": grown}
        | {"is_of_program": call > 0, "is_open": call < 2, "place": "a.py:1", "from": "a.py:1"}
        for call, (function, grown) in enumerate(
            [("", {}), ("<module>", {"us": 10**8} | ({} if named else whole)), ("leak", own)]
        )
    ]
    facts = {"calls": calls, "now": whole | own}
    records = [*JournalFollower(str(_run(tmp_path / "a", folds(grows)) / "journal.jsonl")).stream()]
    write_journal(tmp_path / "b", *records, Event(time=NOW, pid=7, name=ATTRIBUTED, facts=facts))
    (finding,) = analyze(tmp_path / "b").findings
    grown = finding.growth["rss_bytes"].grown
    assert [part.function for part in grown if part.function] == ([named] if named else [])


@pytest.mark.parametrize(("maps", "named"), [(20, "leak"), (200, "decoy")])
def test_the_maps_of_threads_are_of_the_function_that_their_threads_are_of(
    tmp_path: Path, maps: int, named: str
) -> None:
    """A pool that comes and goes takes new stacks where a thread that stays has got one of its old ones."""
    calls = [
        {
            "call": call,
            "caller": min(call, 1) if call > 1 else 0,
            "function": function,
            "grown": grown,
        }
        | {"is_of_program": call > 0, "is_open": call < 2, "place": "a.py:1", "from": "a.py:1"}
        for call, (function, grown) in enumerate(
            [
                ("", {"us": 10**8}),
                ("<module>", {}),
                ("leak", {"threads": 5 * 7}),
                ("decoy", {"maps": maps * 7}),
            ]
        )
    ]
    facts = {"calls": calls, "now": {"threads": 5 * 7, "maps": maps * 7}}
    readings = [
        reading(fold, stage=stage, threads=10 + 5 * fold, maps=300 + maps * fold)
        for fold in range(1, 9)
        for stage in ("START", "AFTER CLEANUP")
    ]
    records: list[Any] = [header(argv=("train.py",)), *readings]
    write_journal(tmp_path, *records, Event(time=NOW, pid=7, name=ATTRIBUTED, facts=facts))
    (finding,) = analyze(tmp_path).findings
    assert [part.function for part in finding.growth["maps"].grown][:1] == [named]
    assert [part.function for part in finding.growth["threads"].grown][:1] == ["leak"]


def test_descriptors_that_stay_open_are_named(tmp_path: Path) -> None:
    """By path, without the number of the fold."""
    records: list[Any] = [header()]
    for number in range(1, 6):
        open_now = {"/logs/fold-#.log": 14 * number, "socket": 2}
        facts = {"fold": number, "folds": FOLDS, "before": {}, "after": {}, "descriptors": open_now}
        records.append(reading(number, stage="AFTER CLEANUP", open_fds=20 + 14 * number))
        records.append(Event(time=NOW, pid=7, name="settled", facts=facts))
    write_journal(tmp_path, *records)
    (finding,) = analyze(tmp_path).findings
    (part,) = finding.growth["open_fds"].grown
    assert (part.kind, part.name, part.amount, part.share) == (
        "descriptor",
        "/logs/fold-#.log",
        14,
        1,
    )
