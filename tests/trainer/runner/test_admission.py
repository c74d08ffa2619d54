"""A fold that would not fit beside others in its cgroup waits, and is refused if that does not help."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT
from tests.support.programs import run_python
from trainer.agent.room import Shortage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.cgroups import RealCgroup

pytestmark = pytest.mark.slow

PIDS = 70
NEEDED = 41
"""What fold 1 was seen to need; beside the runner and 30 threads of another it is too much."""


@pytest.mark.parametrize(("others", "finished"), [("goes", [1, 2, 3]), ("stays", [1])])
def test_a_fold_waits_for_headroom_and_is_refused_with_the_numbers(
    tmp_path: Path, pids_cgroup: RealCgroup, others: str, finished: list[int]
) -> None:
    """The numbers are the limit's: what the fold needs, and what there is."""
    pids_cgroup.limit(PIDS)
    place = tmp_path / "run"
    outcome = run_python(
        *("-m", "tests.scripts.crowded_run", pids_cgroup.folder, str(place), others),
        seconds=100,
        environment={"PYTHONPATH": ROOT},
    )
    assert outcome.code == 0, outcome.err
    messages = [json.loads(line) for line in outcome.out.splitlines()]
    assert names_shortage(message for message in messages if message.startswith("fold 2: "))
    summary = json.loads((place / "summary.json").read_text())
    assert summary["folds_finished"] == finished
    if finished == [1]:
        failure = json.loads((place / "fold-2" / "failure.json").read_text())
        assert failure["outcome"] == "refused"
        assert names_shortage([failure["reason"]])


def names_shortage(texts: Iterable[str]) -> bool:
    """Return whether one of ``texts`` ends with the shortage, its headroom 30 to 39."""
    shortages = tuple(
        str(Shortage("pids_cgroup", NEEDED, headroom, "headroom")) for headroom in range(30, 40)
    )
    return any(text.endswith(shortages) for text in texts)
