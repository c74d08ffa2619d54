"""A fault of the file system, or a value that is none, costs what it hits: no hang, no other fold, no false result.

A sample of what ``make soak`` tries at every call.
"""

from __future__ import annotations

import random

import pytest

from benchmarks.faults_of_runs import points, tried
from benchmarks.hostile_runs import resumed

SAMPLE = 5


@pytest.mark.slow
def test_a_fault_costs_what_it_hits() -> None:
    """One in each run, at a call that an undisturbed run makes."""
    every = points()
    assert {fault.site.call for fault in every} >= {"open", "read", "write", "replace", "fsync"}
    outcome = tried(random.Random(11).sample(every, SAMPLE))
    assert outcome.harmful == []
    assert outcome.points + outcome.not_reached == SAMPLE
    assert outcome.points


@pytest.mark.slow
def test_a_value_that_is_none_in_a_file_costs_no_other_fold() -> None:
    """In any field of any file of a run that is resumed."""
    found = resumed(SAMPLE, seed=11)
    assert found["resumed"] == SAMPLE
    assert found["harmful"] == {}
