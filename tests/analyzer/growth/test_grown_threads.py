"""What started the threads that there are more of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from analyzer.formatting import thread_words
from analyzer.growth.grown_parts import GrownPart
from analyzer.growth.grown_threads import find_grown_threads
from analyzer.growth.pool_leaks import PoolLeak
from analyzer.processes.native_threads import NativeThreads, ThreadKind, native_threads_of
from telemetry.journal.records import Event
from tests.support.builders import reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.result import Finding

BLAS = ThreadKind("python", is_python=False, function="blas", library="libblas.so", running=9, grown=4)  # fmt: skip
LOOP = ThreadKind("python", is_python=False, function=None, library="libtf.so", running=9, grown=1)
OWN = ThreadKind("python", is_python=True, function=None, library=None, running=9, grown=1)


def found(*kinds: ThreadKind, left: dict[str, int], slope: float) -> list[tuple[Any, Any]]:
    look = NativeThreads(2, 0.1, None, kinds)
    leaks = [PoolLeak(2, "END", left), PoolLeak(3, "END", {"other": 7})]
    return [(one.library, one.share) for one in find_grown_threads(look, leaks, slope)]


def test_libraries_are_named_with_their_share_of_the_fold_s_growth() -> None:
    """The largest first; Python's own threads are known by their line."""
    assert found(LOOP, OWN, BLAS, left={"python": 6}, slope=6) == [
        ("libblas.so", pytest.approx(4 / 6)),
        ("libtf.so", pytest.approx(1 / 6)),
    ]


def test_what_threads_of_others_may_account_for_is_not_named() -> None:
    """A pool that ended threads as well: 4 and 1 started, 2 more are there; 1 at least is of the four."""
    assert found(LOOP, BLAS, left={"python": 2}, slope=2) == [("libblas.so", 0.5)]
    assert found(LOOP, OWN, BLAS, left={"python": 1}, slope=1) == []


@pytest.mark.parametrize(
    ("left", "slope"),
    [({"python": 4}, 1), ({"python": 4}, 20), ({"tf": 4}, 4), ({}, 4)],
    ids=["more than usual", "less than usual", "another pool", "none"],
)
def test_a_fold_that_was_no_usual_one_names_nothing(left: dict[str, int], slope: float) -> None:
    """Nor a pool that the look did not see grow."""
    assert found(BLAS, left=left, slope=slope) == []


FACTS = {
    "fold": 2,
    "seconds": 0.5,
    "threads": [{"pool": "a", "is_python": False, "library": "b", "running": 2, "grown": 1}],
}


def test_facts_are_read() -> None:
    """Of what there is none of, None."""
    look = native_threads_of(FACTS)
    assert look.kinds == (ThreadKind("a", False, None, "b", 2, 1),)  # noqa: FBT003 - in their order
    assert (look.fold, look.seconds, look.why) == (2, 0.5, None)
    assert native_threads_of({"fold": 1, "why": "no"}).why == "no"


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"fold": 2},
        FACTS | {"fold": "2"},
        FACTS | {"seconds": -1},
        FACTS | {"threads": {}},
        FACTS | {"threads": [3]},
        FACTS | {"threads": [{"pool": "a"}]},
        FACTS | {"threads": [{"pool": "a", "is_python": 1, "running": 2, "grown": 1}]},
        FACTS | {"threads": [{"pool": "a", "is_python": True, "running": 2**64, "grown": 1}]},
    ],
)
def test_facts_that_no_supervisor_writes_are_refused(facts: dict[str, object]) -> None:
    """By their type and range."""
    with pytest.raises(ValueError, match=r".+"):
        native_threads_of(facts)


@pytest.mark.parametrize(
    ("function", "library", "words"),
    [
        ("Eigen::Pool<tsl::Env<int>>::Loop", "libtf.so.2", "Eigen::Pool::Loop in libtf.so.2"),
        (None, "libtf.so.2", "libtf.so.2"),
        ("jit", None, "jit"),
        ("f\x1b[31m", "\u202elib", "f [31m in lib"),
    ],
)
def test_as_much_is_said_as_is_known(function: str | None, library: str | None, words: str) -> None:
    """Without the arguments of templates, and nothing that steers a terminal."""
    part = GrownPart("thread", "python", library, 1, 1, function)
    assert thread_words(part) == words


def recorded(place: Path, facts: dict[str, object]) -> Finding:
    """Analyze three folds, each with four threads more, and a look after the second."""
    readings = [
        reading(time=n, label=f"Fold {n}/3 END", fold=n, folds=3, stage="END", threads=4 * n + 1)
        for n in (1, 2, 3)
    ]
    pooled = [replace(one, pools={"python": one.threads or 0}) for one in readings]
    look = Event(time=2.5, pid=pooled[0].pid, name="native_threads", facts=facts)
    write_journal(place, *pooled[:2], look, pooled[2])
    (finding,) = analyze([str(place)]).findings
    return finding


def test_what_was_found_is_in_the_growth_of_threads_and_the_stop_in_the_notes(
    tmp_path: Path,
) -> None:
    """Of the fold after which the look was taken."""
    kind = BLAS._asdict()
    finding = recorded(tmp_path, {"fold": 2, "seconds": 1.24, "threads": [kind]})
    (part,) = finding.growth["threads"].grown
    assert (part.kind, part.library, part.amount) == ("thread", "libblas.so", 4)
    words = "to see what had started its threads, the process was stopped for 1.2 s after fold 2"
    assert words in finding.notes


def test_why_nothing_was_found_is_one_line(tmp_path: Path) -> None:
    """Without what steers a terminal."""
    finding = recorded(tmp_path, {"fold": 2, "why": "no\x1b ptrace"})
    words = "which library started the threads that grow is not known: no ptrace"
    assert words in [" ".join(note.split()) for note in finding.notes]
    assert finding.growth["threads"].grown == ()


def test_a_hostile_look_costs_itself_alone(tmp_path: Path) -> None:
    """The growth is told all the same."""
    finding = recorded(tmp_path, {"fold": [2], "threads": "x", "seconds": -1})
    assert finding.growth["threads"].slope == 4
    assert finding.process.native_threads is None
