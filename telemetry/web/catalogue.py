"""What each answer of ``/api/...`` begins with: name, title and unit of everything that the page shows, in its order."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from telemetry.limits import LIMITS, USED_BY

if TYPE_CHECKING:
    from telemetry.daemon.live_state import LiveState

_NO_LIMITS = {
    "pids_cgroup": ("threads", "Threads of the process"),
    "cgroup_memory": ("rss_bytes", "Resident memory"),
}
"""What the page shows of a process beside its limits: field and title, by the limit it is shown after."""
_TREE = {
    "descendants": ("Descendants", False),
    "tree_threads": ("Threads of the tree", False),
    "tree_maps": ("Memory maps of the tree", False),
    "tree_rss_bytes": ("Resident memory of the tree", True),
    "tree_pss_bytes": ("Resident memory of the tree, shared pages once", True),
    "tree_open_fds": ("Open files of the tree", False),
}
"""What the page shows of a process and its descendants together: title and whether it is bytes."""


def _catalogue() -> list[dict[str, Any]]:
    shown: dict[str, tuple[str, bool]] = {}
    for name, field in USED_BY.items():
        spec = LIMITS[name]
        shown[name] = spec.label, spec.is_bytes
        if name in _NO_LIMITS:
            own, title = _NO_LIMITS[name]
            shown[own] = title, spec.is_bytes
        shown.setdefault(field, shown[name])
    shown |= _TREE
    return [
        {"name": name, "title": title, "is_bytes": is_bytes}
        for name, (title, is_bytes) in shown.items()
    ]


CATALOGUE = _catalogue()
TREE = tuple(_TREE)
"""The fields of a process and its descendants together."""


def answer_head(board: LiveState) -> dict[str, Any]:
    """Return what is the same of every answer."""
    return {
        "now": board.clock(),
        "published_at": board.published_at,
        "version": _version(),
        "catalogue": CATALOGUE,
    }


@lru_cache
def _version() -> str:
    return metadata.version("foldwatch")
