"""`Settled`: the memory of a process at one moment, before and after its allocator gave back what it kept.

The moment is the end of a fold, or, without folds, the end of every so many epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_SETTLED = 10_000
"""Times of a process whose memory is kept."""


class Settled(NamedTuple):
    """The memory of a process, in bytes, before and after it was settled."""

    fold: int | None
    """The fold that ended; None outside all folds."""
    allocator: str | None
    own_pools: Sequence[str]
    """Packages that it has loaded and that keep memory in a pool of their own."""
    before: Mapping[str, int]
    """``rss``, ``anon``, ``file``, ``shmem``; ``in_use`` and ``kept`` of the allocator; ``python_blocks``."""
    after: Mapping[str, int]
    maps: Mapping[str, int]
    """Memory maps by what they are: see telemetry.kernel.map_identity."""
    descriptors: Mapping[str, int]
    """Open descriptors by what they are: see telemetry.kernel.descriptor_identity."""
    tree: Mapping[str, int]
    """The memory of the process and its descendants: see telemetry.kernel.tree_memory."""

    @property
    def released(self) -> int:
        """What went back to the kernel."""
        return max(0, self.before.get("rss", 0) - self.after.get("rss", 0))


def note_settled(known: dict[int, Settled], facts: Mapping[str, Any]) -> None:
    """Take an event of the journal: of a fold the last one counts, and each of those outside all folds."""
    fold = facts.get("fold")
    key = -1 - len(known) if fold is None else fold
    if len(known) < MOST_SETTLED or key in known:
        known[key] = Settled(
            fold,
            facts.get("allocator"),
            facts.get("own_pools", ()),
            facts.get("before", {}),
            facts.get("after", {}),
            facts.get("maps", {}),
            facts.get("descriptors", {}),
            facts.get("tree", {}),
        )


def tree_memory(known: dict[int, Settled]) -> Mapping[str, int]:
    """Return the memory of the process and its descendants as it was settled last; empty if it never was."""
    return known[next(reversed(known))].tree if known else {}
