"""Who held the limit, in the evidence of its cause and in what to do: from a journal, and from a log alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer import analyze
from telemetry.holders import EVENT, HolderKind, Holders, LimitHolder
from telemetry.journal.records import Event
from tests.support.builders import exited, holders, reading, write_journal

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.result import Finding
    from telemetry.journal.records import Record

NEIGHBOUR = LimitHolder(kind=HolderKind.PROGRAM, amount=331, name="neigh.py", pid=812)
RUN = LimitHolder(kind=HolderKind.RUN, amount=34)
REFUSED = "RuntimeError: can't start new thread\n"
CAP = "cap the thread pools"


def at(time: float, used: int = 396, **more: Any) -> Record:
    known: dict[str, Any] = {"threads": 34, "start_ticks": 5, "limits": {"pids_cgroup": 400}}
    return reading(1, time, folds=1, stage="FIT", cgroup_pids=used, **(known | more))


def event(found: Holders) -> Event:
    return Event(time=found.time, pid=7, name=EVENT, facts=found.facts())


def judged(tmp_path: Path, *records: Record) -> Finding:
    write_journal(tmp_path, *records)
    (tmp_path / "output.log").write_text(REFUSED)
    (finding,) = analyze([str(tmp_path)]).findings
    return finding


def evidence(finding: Finding, cause: str = "pids_cgroup") -> list[str]:
    return [text for one in finding.causes if one.cause == cause for text in one.evidence]


def texts(finding: Finding) -> list[str]:
    return [remedy.text for remedy in finding.remedies]


@pytest.mark.parametrize("is_ahead", [True, False])
def test_the_sentence_is_evidence_and_the_neighbour_is_what_to_do_something_about(
    tmp_path: Path, *, is_ahead: bool
) -> None:
    """Also where it is written before the first reading: fewer threads here do not stand there at all."""
    held = event(holders(NEIGHBOUR, RUN, used=396, time=1000.0))
    records = (held, at(1001.0)) if is_ahead else (at(1000.0), held)
    finding = judged(tmp_path, *records, exited(1003.0))
    expected = "3 s before the end: pids_cgroup 396/400: neigh.py (pid 812) 331, this run 34"
    assert expected in evidence(finding)
    assert texts(finding)[0].startswith("neigh.py (pid 812), which is not of this run")
    assert finding.remedies[0].command == "foldwatch limits --who"
    assert not any(CAP in text for text in texts(finding))


def test_where_this_run_held_the_most_the_steps_are_as_they_were(tmp_path: Path) -> None:
    """Fewer threads help."""
    own = LimitHolder(kind=HolderKind.RUN, amount=390)
    held = event(holders(own, used=396, time=1000.0))
    finding = judged(tmp_path, at(999.0, threads=390), held, exited(1001.0))
    assert texts(finding)[0].startswith(CAP)


def test_what_was_held_long_before_the_end_is_not_evidence(tmp_path: Path) -> None:
    """The share of the run at its last reading is."""
    held = event(holders(NEIGHBOUR, RUN, used=396, time=1000.0))
    finding = judged(tmp_path, at(999.0), held, at(2000.0, tree_threads=40), exited(2001.0))
    assert not any("neigh.py" in text for text in evidence(finding))
    assert "the run held 40 of the 396 tasks in its cgroup (10 %)" in evidence(finding)


def test_a_broken_record_costs_itself_alone(tmp_path: Path) -> None:
    """Nobody is named then."""
    broken = Event(time=1000.0, pid=7, name=EVENT, facts={"limit": "pids_cgroup"})
    finding = judged(tmp_path, at(999.0), broken, exited(1001.0))
    assert evidence(finding)


@pytest.mark.parametrize(
    ("proc", "cgroup", "told"),
    [
        (36, "506/7680", "the run held 36 of the 506 tasks in its cgroup (7 %)"),
        (36, "506/max", None),
        (36, "?/7680", None),
        (600, "506/7680", None),
    ],
)
def test_a_log_alone_tells_the_share_of_the_run(
    tmp_path: Path, proc: int, cgroup: str, told: str | None
) -> None:
    """The incident's own numbers; a log counts no children, which is said."""
    log = tmp_path / "train.log"
    line = f"[THREADS] Fold 1/1 FIT: proc={proc}, cgroup={cgroup}, maps=1855/65530, rss=2820MB\n"
    log.write_text(line + REFUSED)
    (finding,) = analyze([str(log)]).findings
    found = [text for text in evidence(finding) if "the run held" in text]
    assert found == ([] if told is None else [f"{told}, its children not counted"])


def test_of_a_full_cgroup_others_are_to_be_looked_for_first(tmp_path: Path) -> None:
    """Where a log shows that most of it was not the process's own."""
    log = tmp_path / "train.log"
    line = "[THREADS] Fold 1/1 FIT: proc=36, cgroup=7679/7680, maps=1855/65530, rss=2820MB\n"
    log.write_text(line + REFUSED)
    (finding,) = analyze([str(log)]).findings
    assert texts(finding)[0].startswith("find out who holds the other 7,643 tasks")
    assert texts(finding)[1].startswith(CAP)
