"""A pids cgroup that others fill: who, told by ``limits --who``, the alert, the journal, failure.json and analyze."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from telemetry.holders import EVENT
from telemetry.journal.holders_record import holders_of
from telemetry.journal.records import Event, decode
from telemetry.reading import Reading
from tests.support.crowds import crowd, script
from tests.support.programs import call_foldwatch, run_foldwatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cgroups import RealCgroup


@pytest.fixture
def crowded(pids_cgroup: RealCgroup) -> Iterator[tuple[int, int]]:
    """Put a neighbour with 331 threads and one with 30 zombies into a cgroup for 400 tasks; give their PIDs."""
    pids_cgroup.limit(400)
    with ExitStack() as stack:
        neighbour = stack.enter_context(crowd(pids_cgroup, script("neigh.py"), 331))
        zombies = stack.enter_context(crowd(pids_cgroup, script("zomb.py"), 30))
        yield neighbour, zombies


def sentence(crowded: tuple[int, int]) -> str:
    neighbour, parent = crowded
    return (
        f"pids_cgroup 396/400: neigh.py (pid {neighbour}) 331, this run 34, zombies of zomb.py 30,"
        f" zomb.py (pid {parent}) 1"
    )


@pytest.mark.slow
@pytest.mark.root
def test_limits_tells_who_fills_the_cgroup_of_a_training(
    pids_cgroup: RealCgroup, crowded: tuple[int, int], tmp_path: Path
) -> None:
    """The neighbour first, and what to do about it."""
    training = shutil.copy(script("neigh.py"), tmp_path / "train.py")
    with crowd(pids_cgroup, str(training), 34) as pid:
        told = call_foldwatch("limits", "--who", "--json", "--pid", str(pid))
        text = call_foldwatch("limits", "--who", "--pid", str(pid)).out
    found = next(one for one in json.loads(told.out)["holders"] if one["limit"] == "pids_cgroup")
    assert found["sentence"] == sentence(crowded)
    assert found["unseen"] == found["others"] == 0
    assert "fewer threads here do not mend it" in found["advice"]
    assert found["sentence"] in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.root
def test_a_program_that_records_nothing_is_told_of_too(
    pids_cgroup: RealCgroup, crowded: tuple[int, int], tmp_path: Path
) -> None:
    """By what supervises it: who holds its limit stands before the sample that shows it."""
    program = [sys.executable, script("silent_training.py"), pids_cgroup.folder, "34", "3"]
    run_foldwatch("run", "--output", str(tmp_path / "run"), "--", *program)
    lines = (tmp_path / "run" / "fold-1" / "journal.jsonl").read_bytes().splitlines()
    records = [decode(line) for line in lines]
    near = next(
        place
        for place, one in enumerate(records)
        if isinstance(one, Reading) and (one.usage("pids_cgroup").ratio or 0) > 0.95
    )
    held = records[near - 1]
    assert isinstance(held, Event)
    assert holders_of(held.facts, time=held.time).sentence == sentence(crowded)


@pytest.mark.slow
@pytest.mark.root
def test_a_training_that_is_refused_beside_neighbours(
    pids_cgroup: RealCgroup, crowded: tuple[int, int], tmp_path: Path
) -> None:
    """The same sentence in the alert, the journal, failure.json and the analysis, whose advice is for the neighbour."""
    run_dir = tmp_path / "run"
    training = [script("crowded_training.py"), pids_cgroup.folder, "34", "3"]
    outcome = run_foldwatch("run", "--output", str(run_dir), "--", sys.executable, *training)
    expected = sentence(crowded)
    (alert,) = [line for line in outcome.err.splitlines() if "critical: pids_cgroup is 99%" in line]
    assert expected in alert
    events = [
        record
        for line in (run_dir / "fold-1" / "journal.jsonl").read_bytes().splitlines()
        if isinstance(record := decode(line), Event) and record.name == EVENT
    ]
    assert holders_of(events[-1].facts, time=events[-1].time).sentence == expected
    (cause, *_) = json.loads((run_dir / "fold-1" / "failure.json").read_text())["causes"]
    assert cause["cause"] == "pids_cgroup"
    assert any(expected in text for text in cause["evidence"])
    analysis = analyze([str(run_dir)])
    assert "neigh.py" in analysis.remedies[0].text
    assert not any("cap the thread pools" in remedy.text for remedy in analysis.remedies)
