"""`Condition`: one thing that is so now, of which an alert may be made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""What an alert is known by: its name and its labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that is so now; ``labels`` as in `Alert`, in a form that can be a key."""

    name: str
    labels: tuple[tuple[str, str], ...]
    summary: str
    description: str
    fold: str = ""
    """The fold that it is so of, as its label; empty for the run as a whole."""
    weight: float = 0.0
    """How grave it is beside the same of another fold."""
    facts: Mapping[str, str] = field(default_factory=dict)
    until: float | None = None
    """For how long it is so though nobody may see it, in seconds since the epoch."""

    @property
    def key(self) -> Key:
        """What it shares with itself at another moment, and with the same of another fold."""
        return self.name, self.labels


def labels_of(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return labels in the form that a condition has them."""
    return tuple(sorted(labels.items()))


def by_key(conditions: Iterable[Condition]) -> dict[Key, tuple[Condition, frozenset[str]]]:
    """Return the gravest condition of each key, with the folds that it is so of."""
    found: dict[Key, tuple[Condition, frozenset[str]]] = {}
    for one in conditions:
        known, folds = found.get(one.key, (one, frozenset()))
        gravest = one if one.weight > known.weight else known
        found[one.key] = gravest, folds | {one.fold}
    return found
