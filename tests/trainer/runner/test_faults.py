"""A fault of the file system costs what it hits: no hang, no other fold, no result that is none.

A sample of what ``make soak`` tries at every call.
"""

from __future__ import annotations

import random

import pytest

from benchmarks.faults_of_runs import points, tried

SAMPLE = 10


@pytest.mark.slow
def test_a_fault_costs_what_it_hits() -> None:
    """One in each run, at a call that an undisturbed run makes."""
    every = points()
    assert {fault.site.call for fault in every} >= {"open", "read", "write", "replace", "fsync"}
    outcome = tried(random.Random(11).sample(every, SAMPLE))
    assert outcome.harmful == []
    assert outcome.points + outcome.not_reached == SAMPLE
    assert outcome.points
