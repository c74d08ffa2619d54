"""The names, units, slopes and intervals of resources in words, and untrusted text made fit to show."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from analyzer.growth.verdict import units
from analyzer.processes.rank_values import CPU_CORES
from analyzer.signatures.signature import OTHER_CAUSES
from telemetry.limits import LIMITS
from telemetry.thread_line import MEBIBYTE, clean_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.growth.grown_parts import GrownPart
    from analyzer.growth.odd_one_out import OddOne
    from analyzer.growth.verdict import Growth
    from analyzer.processes.from_formats import FormatUse

_TEMPLATE = re.compile(r"<[^<>]*>")
PARTS_SHOWN = 3
"""Parts of what a resource has grown by; all are in --json."""
LONGEST_LABEL = 100
LONGEST_LINE = 400
"""Characters of an untrusted text that are shown to people; all of it is in --json."""


def safe(text: str, *, longest: int = LONGEST_LABEL) -> str:
    """Take from an untrusted text what steers a terminal or reverses text, and what is too long."""
    clean = clean_label(text[: 4 * longest])
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


def format_words(found: Sequence[FormatUse]) -> str:
    """Say which built-in formats the readings of a log come from; empty where none does."""
    used = [f"{f.readings:,} of {f.format.name} ({f.format.words})" for f in found if f.is_used]
    other = [f"{f.readings:,} of {f.format.name}" for f in found if not f.is_used]
    words = f"readings: {', '.join(used)}" if used else ""
    return f"{words}; not used, as there are fewer: {', '.join(other)}" if other else words


def grown_words(growth: Growth) -> list[str]:
    """Say what a resource has grown by, as far as that is known: its nature, and the largest parts."""
    words = []
    if growth.nature is not None:
        words.append(f"{growth.nature.nature}: {growth.nature.reason}")
    if not growth.verdict.is_alarming:
        return words
    more = [part for part in growth.grown if part.kind in {"map", "descriptor"}]
    if more:
        parts = (f"{part.share:.0%} {safe(part.name)}" for part in more[:PARTS_SHOWN])
        words.append(f"of what there is more of, {', '.join(parts)}")
    words += [
        f"{part.share:.0%} inside {safe(part.function)}() ({safe(part.line or '')})"
        for part in growth.grown
        if part.kind == "code" and part.function
    ]
    again = [part for part in growth.grown if part.kind == "allocation"]
    if again:
        parts = (f"{part.share:.0%} {line_words(part)}" for part in again[:PARTS_SHOWN])
        words.append(f"of what a fold did not free under foldwatch explain, {', '.join(parts)}")
    threads = [part for part in growth.grown if part.kind == "thread"]
    if threads:
        parts = (f"{part.share:.0%} {thread_words(part)}" for part in threads[:PARTS_SHOWN])
        words.append(f"of the threads that a fold started, {', '.join(parts)}")
    return words


def line_words(part: GrownPart) -> str:
    """Say which line allocated it, and by which package: ``fit (train.py:212) through numpy``."""
    words = f"{safe(part.function or '')} ({safe(os.path.basename(part.line or ''))})"
    return f"{words} through {safe(part.library)}" if part.library else words


def thread_words(part: GrownPart) -> str:
    """Say where threads began: ``blas_thread_server in libopenblas.so``, as much of it as is known.

    Of a name of C++ the arguments of templates are left out.
    """
    function, is_shorter = part.function or "", 1
    while is_shorter:
        function, is_shorter = _TEMPLATE.subn("", function)
    return " in ".join(safe(text) for text in (function, part.library) if text)


def short_name(resource: str) -> str:
    """Return what a resource is called in a table: ``rss`` for ``rss_bytes``."""
    return resource.removesuffix("_bytes")


def of_child(role: str, resource: str) -> str:
    """Return what a resource of child processes is called: ``maps of DataLoader worker``."""
    return f"{short_name(resource)} of {safe(role)}"


def unit_size(resource: str) -> int:
    """Return what a shown number of ``resource`` is counted in: MB (2**20 bytes), or ones."""
    return MEBIBYTE if resource.endswith("_bytes") else 1


def unit(resource: str) -> str:
    """Return the unit behind a number of ``resource``, with its blank."""
    return " MB" if resource.endswith("_bytes") else ""


def amount(resource: str, value: float | None) -> str:
    """Write a value: ``65,530``, ``2,820 MB``; a dash where it is not known."""
    if value is None:
        return "-"
    return f"{value / unit_size(resource):,.0f}{unit(resource)}"


def change(resource: str, value: float | None) -> str:
    """Write a difference or a slope with its sign: ``+730``, ``+550 MB``, ``+0.3``, ``0``."""
    if value is None:
        return "-"
    value /= unit_size(resource)
    number = f"{value:+,.1f}".removesuffix(".0") if round(value, 1) else "0"
    return f"{number}{unit(resource)}"


def slope(resource: str, growth: Growth, unit: str) -> str:
    """Write a slope under a heading of ``unit``; with its own unit where that is another."""
    words = change(resource, growth.slope)
    return words if growth.slope is None or growth.unit == unit else f"{words} {growth.a_unit}"


def interval(resource: str, growth: Growth) -> str:
    """Write the 95 % interval of a slope; empty where there is none or it is a point."""
    low, high = growth.slope_low, growth.slope_high
    if low is None or high is None:
        return ""
    words = [change(resource, value) for value in (low, high)]
    return "" if words[0] == words[1] else f"{words[0].removesuffix(' MB')} to {words[1]}"


def of_limit(resource: str, growth: Growth) -> str:
    """Write a peak against its limit: ``6% of 65,530``; empty where no limit is known."""
    if growth.limit is None or growth.peak is None:
        return ""
    if not growth.limit:
        return f"of {amount(resource, 0)}"
    return f"{share(growth.peak / growth.limit)} of {amount(resource, growth.limit)}"


def share(ratio: float) -> str:
    """Write a part of a whole: ``6%``, ``0.4%``."""
    return f"{ratio:.0%}" if ratio >= 0.0995 else f"{ratio:.1%}"


def to_limit(left: float, *, unit: str = "fold") -> str:
    """Write how far the limit is: ``84 folds to the limit``."""
    if left < 1:
        return f"under 1 {unit} to the limit"
    return f"{left:,.0f} {unit if round(left) == 1 else units(unit)} to the limit"


def cause_title(cause: str) -> str:
    """Return the words for a cause that a diagnosis names."""
    return LIMITS[cause].title if cause in LIMITS else OTHER_CAUSES.get(cause, cause)


def rank_name(rank: str) -> str:
    """Return a rank's number, or the name of another writer: a log may say ``rank2`` in front of its lines."""
    number = rank.removeprefix("rank")
    return safe(number if number.isdigit() else rank)


def odd_words(odd: OddOne) -> str:
    """Say how a rank differs: ``maps 3,766, the odd one out: the other 3 ranks have 116 to 117``."""
    name = odd.resource
    value, lowest, highest = (
        f"{one:.2f}" if name == CPU_CORES else amount(name, one)
        for one in (odd.value, odd.lowest, odd.highest)
    )
    others = lowest if lowest == highest else f"{lowest} to {highest}"
    who = f"the other {odd.ranks:,} ranks"
    return f"{short_name(name)} {value}, the odd one out: {who} have {others}"
