"""What grown memory is: still held, or kept by an allocator, or pages of files, or shared. Pure: what was settled in.

At the end of a fold, or of every so many epochs, the process has its allocator give back what it keeps
(`telemetry.settle`), and the memory before and after is recorded. Before it RSS is, by the kernel's own count (RssFile,
RssShmem, RssAnon of proc_pid_status(5)),

    pages of files + shared memory + anonymous memory that stays + what was given back

so the growth of RSS from fold to fold is the sum of the growth of these four. What stays of the anonymous memory is held
if as much more is in use by malloc's own count, or by Python's of its objects. If malloc has as much more that was
given back to it, it is in pieces that cannot be given back to the kernel. If neither, it was mapped past both.
"""

from __future__ import annotations

import enum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from telemetry.formatting import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analyzer.processes.settled import Settled

MOST = 0.6
"""Share of the growth that one kind must have to be named for it."""
EXPLAINED = 0.5
"""Share of it that another count must confirm."""
LEAST_BYTES = MEBIBYTE
"""A fold, below which nothing is said."""
MUCH_RELEASED = 0.05
"""Share of RSS that must go back each time to be spoken of where nothing grows."""
BYTES_A_BLOCK = 128
"""Of Python's allocator, which hands out up to 512: about the mean of what programs hold."""


class Nature(enum.StrEnum):
    """What grown memory is."""

    HELD = "held"
    KEPT_BY_MALLOC = "kept by malloc"
    KEPT_BY_FRAMEWORK = "kept by the framework"
    FILE_PAGES = "file pages"
    SHARED_MEMORY = "shared memory"
    UNKNOWN = "unknown"


class NatureFound(NamedTuple):
    """What grown memory is, and why that is said."""

    nature: Nature
    reason: str
    is_given_back: bool = False
    """Whether the allocator gives it back when it is told to."""


def find_nature(settled: Sequence[Settled]) -> NatureFound | None:
    """Tell what the growth of RSS from fold to fold is; None where nothing was settled, or nothing grew.

    The first fold is left out where there are three or more: libraries finish loading in it.
    """
    folds = [one for one in settled if {"rss", "anon"} <= one.before.keys() & one.after.keys()]
    folds = folds[1:] if len(folds) > 2 else folds
    if len(folds) < 2:
        return None
    steps = {
        Nature.FILE_PAGES: _step(folds, lambda one: one.after.get("file", 0)),
        Nature.SHARED_MEMORY: _step(folds, lambda one: one.after.get("shmem", 0)),
        Nature.KEPT_BY_MALLOC: _step(folds, lambda one: one.released),
        Nature.HELD: _step(folds, lambda one: one.after["anon"]),
    }
    grown = {nature: step for nature, step in steps.items() if step > 0}
    total = sum(grown.values())
    if total < LEAST_BYTES:
        return _given_back(folds)
    nature, lap = max(grown, key=lambda one: grown[one]), _a_lap(folds)
    if grown[nature] < MOST * total:
        parts = ", ".join(f"{one} {_mb(step)}" for one, step in grown.items())
        return NatureFound(Nature.UNKNOWN, f"several kinds grow {lap}: {parts}")
    if nature == Nature.HELD:
        return _of_what_stays(folds, grown[nature])
    words = {
        Nature.FILE_PAGES: "RssFile grows by {} {}: mapped files, which the kernel can take back",
        Nature.SHARED_MEMORY: "RssShmem grows by {} {}",
        Nature.KEPT_BY_MALLOC: "what malloc gives back grows by {} {}",
    }
    reason = words[nature].format(_mb(grown[nature]), lap)
    return NatureFound(nature, reason, is_given_back=nature == Nature.KEPT_BY_MALLOC)


def _given_back(folds: Sequence[Settled]) -> NatureFound | None:
    """What does not grow may be what is given back each time, and would be kept without."""
    amount = min(one.released for one in folds)
    if amount < max(LEAST_BYTES, MUCH_RELEASED * folds[-1].after["rss"]):
        return None
    when = "at each fold's end" if folds[-1].fold is not None else "each time it is told to"
    reason = f"{when} malloc gives back {_mb(amount)} or more, which it kept without being told to"
    return NatureFound(Nature.KEPT_BY_MALLOC, reason, is_given_back=True)


def _of_what_stays(folds: Sequence[Settled], grown: float) -> NatureFound:
    """Tell what anonymous memory is that is still there after the allocator gave back what it could."""
    if "in_use" not in folds[-1].after:
        words = f"{_mb(grown)} {_a_lap(folds)} stay after {folds[-1].allocator or 'malloc'} gave back what it could"
        return NatureFound(Nature.HELD, words)
    in_use = _step(folds, lambda one: one.after.get("in_use", 0))
    if in_use >= EXPLAINED * grown:
        return NatureFound(
            Nature.HELD, f"{_mb(in_use)} {_a_lap(folds)} more are in use by malloc's own count"
        )
    blocks = BYTES_A_BLOCK * _step(folds, lambda one: one.after.get("python_blocks", 0))
    if max(0.0, in_use) + blocks >= EXPLAINED * grown:
        return NatureFound(Nature.HELD, f"Python hands out more objects {_a_lap(folds)}")
    return _of_what_nobody_counts(folds, grown, in_use)


def _of_what_nobody_counts(folds: Sequence[Settled], grown: float, in_use: float) -> NatureFound:
    """Tell what it is where neither malloc nor Python has handed out as much more in each fold."""
    first, last = folds[0].after, folds[-1].after
    altogether, taken = last["anon"] - first["anon"], last["in_use"] - first.get("in_use", 0)
    if taken >= EXPLAINED * altogether:
        words = f"malloc handed out {_mb(taken)} in a few large blocks, which fill up one by one"
        return NatureFound(Nature.UNKNOWN, f"{words}: {_pool(folds[-1])}, in use or kept")
    if _step(folds, _past_malloc) >= EXPLAINED * grown:
        words = f"{_mb(grown)} {_a_lap(folds)} are mapped past malloc and Python"
        if folds[-1].own_pools:
            return NatureFound(Nature.UNKNOWN, f"{words}: {_pool(folds[-1])}, or a library's")
        return NatureFound(
            Nature.HELD, f"{words}, and nothing is loaded that keeps a pool of its own"
        )
    if last.get("kept", 0) >= EXPLAINED * altogether:
        words = f"of {_mb(grown)} {_a_lap(folds)} {_mb(in_use)} are in use by malloc's own count"
        return NatureFound(
            Nature.KEPT_BY_MALLOC,
            f"{words}; the rest is free in its arenas, and stays there",
        )
    words = f"{_mb(grown)} {_a_lap(folds)} stay, of which neither malloc nor Python knows"
    return NatureFound(Nature.UNKNOWN, words)


def _a_lap(folds: Sequence[Settled]) -> str:
    """Return what an amount is of: of a fold, or of what lies between one time and the next outside all folds."""
    return "a settling" if folds[-1].fold is None else "a fold"


def _pool(one: Settled) -> str:
    return f"a pool of {', '.join(one.own_pools)}" if one.own_pools else "a pool"


def _past_malloc(one: Settled) -> int:
    """Return the least anonymous memory that is neither malloc's nor Python's: not all of malloc's is resident."""
    known = one.after
    own = known.get("in_use", 0) + known.get("kept", 0)
    return max(0, known["anon"] - own - BYTES_A_BLOCK * known.get("python_blocks", 0))


def _step(folds: Sequence[Settled], of: Callable[[Settled], int]) -> float:
    """Return by how much something grows a fold, in the middle."""
    return median(of(later) - of(earlier) for earlier, later in pairwise(folds))


def _mb(size: float) -> str:
    return f"{size / MEBIBYTE:,.0f} MB"
