"""`Alert`: one condition of a run that somebody should know of, and how long it held."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """run, host, fold, rank, and ``ceiling`` (a limit's name) or ``resource``."""
    summary: str
    """Which limit, how full, when it will be hit at this rate: one line."""
    description: str
    """What to do."""
    began: float
    """Seconds since the epoch."""
    ended: float | None = None
    """None while it holds."""
    is_watched: bool = True
    """False once nobody can see any more whether it holds: it has not ended for all that is known."""
