"""The event ``stalled`` of a journal, checked: where a process stood that had stalled, as its supervisor saw it.

A training may write an event of that name for what it likes; of another form, it is none of these.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT = "stalled"
LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Where a process stands."""

    where: str
    """Its innermost function that is the user's own, else the innermost one, else what the kernel says."""
    others: str = ""
    """Which of its ranks or children stand elsewhere, in words."""
    file: str = ""
    """What has all stacks: its name in the directory of the journal."""
    paused_seconds: float | None = None
    """For how long the process was stopped to read them; None if it was not."""
    why: str = ""
    """Why there are no stacks; empty where there are."""

    @property
    def sentence(self) -> str:
        """Say it in a few words."""
        words = [f"it stands in {self.where}", self.others]
        if self.file:
            paused = self.paused_seconds
            stopped = "" if paused is None else f" (it was stopped for {paused:.1f} s)"
            words.append(f"stacks in {self.file}{stopped}")
        words.append(f"no stacks: {self.why}" if self.why else "")
        return "; ".join(filter(None, words))

    def facts(self) -> dict[str, Any]:
        """Return it as the event has it."""
        return {name: value for name, value in asdict(self).items() if value not in {"", None}}


def odd_of(places: Mapping[str, str]) -> str:
    """Say who stands elsewhere than most; empty unless most stand in one place and some in another.

    Args:
        places: Where each stands, by rank.
    """
    counts = Counter(places.values()).most_common()
    if len(counts) < 2 or (2 * counts[0][1] <= len(places) and len(places) > 2):
        return ""
    if len(places) == 2:
        (one, here), (other, there) = places.items()
        return f"rank {one} stands {here}, rank {other} {there}"
    common, count = counts[0]
    odd = {rank: place for rank, place in places.items() if place != common}
    names = ", ".join(f"rank {rank} stands {place}" for rank, place in [*odd.items()][:4])
    more = f" and {len(odd) - 4} more elsewhere" if len(odd) > 4 else ""
    return f"{names}{more}, the other {count} {common}"


def stall_of(facts: Mapping[str, Any]) -> Stall:
    """Return what an event's ``facts`` say. Raises ValueError for what no supervisor writes."""
    known = typed.fields_of(facts, _CHECKS)
    if "where" not in known:
        raise ValueError("no word of where")
    return Stall(**known)


def _words(name: str, value: object) -> str:
    text = typed.text(name, value)[:LONGEST_WORDS]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


_CHECKS: Mapping[str, typed.Check] = {
    **dict.fromkeys(("where", "others", "file", "why"), _words),
    "paused_seconds": typed.seconds,
}
