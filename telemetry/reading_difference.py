"""The difference between two readings, and its words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.reading import Reading

_NUMBERS = ("threads", "maps", "rss_bytes", "open_fds", "descendants", "cgroup_pids")


@dataclass(frozen=True, slots=True)
class Difference:
    """Later minus earlier; only what was read in both, and nothing that is the same."""

    numbers: Mapping[str, int] = field(default_factory=dict)
    pools: Mapping[str, int] = field(default_factory=dict)
    map_kinds: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say what came and what went: ``8 `tf_Compute` and 16 `tf_data_private` threads``."""
        parts = [f"{name} {change:+,}" for name, change in self.numbers.items()]
        if self.pools:
            parts.append(f"pools: {named(self.pools)}")
        if self.map_kinds:
            parts.append(f"maps: {named(self.map_kinds)}")
        return "; ".join(parts) or "no difference"


def difference(earlier: Reading, later: Reading) -> Difference:
    """Compare two readings of one process.

    Args:
        earlier: The reading that is subtracted.
        later: The reading that it is subtracted from.

    Returns:
        The differences of the numbers that both have; the pools and kinds that changed most come first.
    """
    numbers = {}
    for name in _NUMBERS:
        before, after = getattr(earlier, name), getattr(later, name)
        if before is not None and after is not None and before != after:
            numbers[name] = after - before
    return Difference(
        numbers,
        changes(earlier.pools, later.pools),
        changes(earlier.map_kinds, later.map_kinds),
    )


def changes(earlier: Mapping[str, int] | None, later: Mapping[str, int] | None) -> dict[str, int]:
    """Return what changed by name, the largest change first; empty if one was not read."""
    if earlier is None or later is None:
        return {}
    changed = {name: later.get(name, 0) - earlier.get(name, 0) for name in {*earlier, *later}}
    ordered = sorted(changed.items(), key=lambda item: (-abs(item[1]), item[0]))
    return {name: change for name, change in ordered if change}


def named(counts: Mapping[str, int]) -> str:
    """Write counts as words: ``8 `a`, 3 `b` and -1 `c```."""
    words = [f"{count:,} `{name}`" for name, count in counts.items()]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "none"
