"""`Detail`: how much of each list a report shows."""

from __future__ import annotations

import sys
from typing import NamedTuple

from analyzer.diagnosis.confidence import Confidence


class Detail(NamedTuple):
    """The most that are shown of each; whatever is left out is counted."""

    skipped: int = 3
    """Refused lines of a source."""
    sources: int = 6
    parts: int = 4
    """More processes than this are summed up; the worst of them are shown in full."""
    worst: int = 2
    leaks: int = 5
    notable: int = 5
    """Of a run with a process for each fold, those that crashed or have a remark."""
    endings: int = 20
    remedies: int = 8
    evidence: int = 2
    """Of a cause."""
    least: Confidence = Confidence.LIKELY
    """Causes that are worse founded are only named, if others are founded so well."""


SHORT = Detail()
ALL = Detail._make((*[sys.maxsize] * 9, Confidence.RULED_OUT))
