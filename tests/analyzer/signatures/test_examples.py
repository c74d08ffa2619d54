"""Both lines of each row of the table, alone and in the log of a run: its example, and its benign line.

Each form is one test over all rows, which names every row that fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer import analyze
from analyzer.signatures.search import BUILT_IN, SIGNATURES, find_match

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from analyzer import Analysis
    from tests.support.programs import CommandOutcome

SIGNS = [signature for signature in SIGNATURES if not signature.is_frame]
"""A frame is no sign of an end by itself."""
BEGUN = "".join(f"Epoch {n}/9 loss 0.{9 - n}\n" for n in (1, 2, 3))
WENT_ON = "".join(f"Epoch {n}/9 loss 0.{9 - n}\n" for n in (4, 5, 6))


@pytest.fixture
def of_log(tmp_path: Path) -> Callable[[str], Analysis]:
    """Analyze a text as a log."""

    def read(text: str) -> Analysis:
        path = tmp_path / "train.log"
        path.write_text(text)
        return analyze(path)

    return read


def test_each_row_finds_its_example() -> None:
    """By its own name, and by a literal that the log is searched for."""
    missed = [one.name for one in SIGNATURES if not BUILT_IN.is_found(one, one.example)]
    assert missed == []
    unread = [one.name for one in SIGNATURES if not any(x in one.example for x in one.literals)]
    assert unread == []


def test_no_row_takes_a_benign_line_for_a_crash() -> None:
    """Though it holds a literal that the log is searched for."""
    taken = [one.name for one in SIGNATURES if find_match(one.benign, line=1)]
    assert taken == []
    unread = [one.name for one in SIGNATURES if not any(x in one.benign for x in one.literals)]
    assert unread == []


@pytest.mark.parametrize("below", [f"{WENT_ON}Training complete\n", WENT_ON, ""])
def test_a_run_with_a_benign_line_did_not_crash(
    of_log: Callable[[str], Analysis], below: str
) -> None:
    """In the middle, and in the last line that it wrote so far."""
    alarms = []
    for one in SIGNATURES:
        analysis = of_log(f"{BEGUN}{one.benign}\n{below}")
        if analysis.is_alarming:
            alarms.append((one.name, str(analysis.outcome)))
    assert alarms == []


def test_a_run_that_goes_on_below_an_example_survived_it(
    of_log: Callable[[str], Analysis],
) -> None:
    """Which is told, and is no alarm."""
    wrong = []
    for one in SIGNS:
        analysis = of_log(f"{BEGUN}{one.example}\n{WENT_ON}")
        survived = {name for found in analysis.findings for name in found.process.recovered}
        if analysis.is_alarming or survived != {one.name}:
            wrong.append((one.name, str(analysis.outcome), survived))
    assert wrong == []


def test_a_run_whose_last_line_is_an_example_ended_by_it(
    of_log: Callable[[str], Analysis],
) -> None:
    """It was stopped if the row says so, else it crashed."""
    wrong = []
    for one in SIGNS:
        analysis = of_log(f"{BEGUN}{one.example}\n")
        signs = {sign for found in analysis.findings for sign in found.process.matches}
        if analysis.outcome != ("stopped" if one.stops else "crashed") or one.name not in signs:
            wrong.append((one.name, str(analysis.outcome), signs))
    assert wrong == []


def test_the_exit_code_tells_the_forms_apart(
    foldwatch: Callable[..., CommandOutcome], tmp_path: Path
) -> None:
    """Of one row that crashes and one that stops."""
    path = tmp_path / "train.log"
    for one in (SIGNS[0], next(one for one in SIGNS if one.stops)):
        for text, code in (
            (f"{BEGUN}{one.benign}\n", 0),
            (f"{BEGUN}{one.example}\n{WENT_ON}", 0),
            (f"{BEGUN}{one.example}\n", 3),
        ):
            path.write_text(text)
            assert foldwatch("analyze", str(path)).code == code, text
