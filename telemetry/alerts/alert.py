"""`Alert`: one condition of a run that somebody should know of, and how long it held."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


FAILURES = ("FoldwatchFoldFailed", "FoldwatchRunFailed")
"""The alerts of something that is over: nobody sees an end of it, and it needs none."""


class Severity(enum.StrEnum):
    """How grave an alert is; the text is the alerts' label ``severity``."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One episode: it begins once, and ends once or is no longer watched; ``labels`` identify it together with ``name``."""

    name: str
    """As in grafana/rules, for example ``FoldwatchCeilingNear``."""
    severity: Severity
    labels: Mapping[str, str]
    """run, host, fold, rank, and ``ceiling`` (a limit's name) or ``resource``; an empty one is none."""
    summary: str
    """Which limit, how full, when it will be hit at this rate: one line."""
    description: str
    """What to do for good."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else helps at night, by its name among the annotations: ``time_left``, ``stage``, ``pid``, ``command_now``, ..."""
    began: float
    """Seconds since the epoch."""
    ended: float | None = None
    """None while it holds."""
    is_watched: bool = True
    """False once nobody can see any more whether it holds: it has not ended for all that is known."""
    is_held: bool = False
    """Whether the run died while it held: that is no end of it."""
    until: float | None = None
    """For how long it stays without a word of it, in seconds since the epoch; None while it is repeated."""
