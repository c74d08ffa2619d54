"""The ``[THREADS]`` line: its one grammar, in both directions.

The text format, version 1:

    [THREADS] Fold 1/3 START: proc=36, cgroup=506/7680, maps=1850/65530, rss=1200MB

``proc`` threads of the process; ``cgroup`` pids.current/pids.max of the cgroup that binds; ``maps``
memory maps over vm.max_map_count; ``rss`` in MB of 2**20 bytes. ``max`` stands for no limit and
``?`` for not known. maps and rss are absent in older logs; further ``key=value`` pairs are kept, of which
``rank=2, pid=812`` say which process of a distributed training wrote the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.reading import LimitState, Reading, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "[THREADS]"
MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Label:
    """A checkpoint's label and the fold it belongs to.

    ``Fold K/N stage`` names its fold. Any other label belongs to the fold that the last such label
    named, and to none before the first one.
    """

    text: str
    fold: int | None
    folds: int | None
    stage: str

    @property
    def names_fold(self) -> bool:
        """Whether the text itself says ``Fold K/N``."""
        return self.stage != self.text


_FOLD_LABEL = re.compile(r"Fold (\d{1,6})/(\d{1,6})(?: (.*)|$)", re.DOTALL)


def parse_label(text: str, *, previous: Label | None = None) -> Label:
    """Find the fold and the stage of label ``text``, coming after label ``previous``."""
    if match := _FOLD_LABEL.match(text):
        return Label(text, int(match[1]), int(match[2]), match[3] or "")
    if previous is None:
        return Label(text, None, None, text)
    return Label(text, previous.fold, previous.folds, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLine:
    """The content of one ``[THREADS]`` line. ``?`` is None for a count and UNREADABLE for a limit."""

    label: str
    threads: int | None
    cgroup: Usage
    maps: Usage | None = None
    """None if the line has no maps pair, as older lines."""
    rss_bytes: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def thread_line(reading: Reading, *, rank: str = "") -> ThreadLine:
    """Return the part of a reading that a line has room for; rss is rounded to whole MB.

    With a ``rank`` the line says which process wrote it.
    """
    rss = reading.rss_bytes
    return ThreadLine(
        label=clean_label(reading.label or ""),
        threads=reading.threads,
        cgroup=reading.usage("pids_cgroup"),
        maps=reading.usage("max_map_count"),
        rss_bytes=None if rss is None else round(rss / MEBIBYTE) * MEBIBYTE,
        extra={"rank": rank, "pid": str(reading.pid)} if rank else {},
    )


def clean_label(text: str) -> str:
    """Make ``text`` fit one line: runs of blanks and control characters become one blank.

    The marker itself becomes ``(THREADS)``: behind a second one readers look for a second line.
    """
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace(MARKER, "(THREADS)").split())


def format_line(line: ThreadLine) -> str:
    """Write ``line`` without a newline. ``parse_line(format_line(x)) == x`` for every clean label."""
    pairs = [f"proc={_count(line.threads)}", f"cgroup={_usage(line.cgroup)}"]
    if line.maps is not None:
        pairs.append(f"maps={_usage(line.maps)}")
        pairs.append("rss=?" if line.rss_bytes is None else _rss(line.rss_bytes))
    elif line.rss_bytes is not None:
        pairs.append(_rss(line.rss_bytes))
    pairs += [f"{key}={value}" for key, value in line.extra.items()]
    return f"{MARKER} {line.label}: {', '.join(pairs)}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _rss(size: int) -> str:
    return f"rss={round(size / MEBIBYTE)}MB"


def _usage(usage: Usage) -> str:
    limit = usage.limit
    if isinstance(limit, int):
        return f"{_count(usage.current)}/{limit}"
    return f"{_count(usage.current)}/{'max' if limit is LimitState.UNLIMITED else '?'}"


# The label is all up to the last ": proc=": labels may hold ": , / = ( ) +". Behind it everything is
# possessive, so that a pair that was cut is refused rather than read shorter than it was written.
# What follows the last pair may be anything that cannot be a part of it: a progress bar, a quote.
_LINE = re.compile(
    r"\[THREADS\][ \t]++(?P<label>.*): proc=(?P<threads>\d{1,19}+|\?)"
    r", cgroup=(?P<pids>\d{1,19}+|\?)/(?P<pids_limit>\d{1,19}+|max|\?)"
    r"(?:, maps=(?P<maps>\d{1,19}+|\?)/(?P<maps_limit>\d{1,19}+|max|\?))?+"
    r"(?:, rss=(?:(?P<rss>\d{1,19}+(?:\.\d{1,19}+)?+) ?(?P<unit>[kKMG]i?B)|\?))?+"
    r"(?P<extra>(?:, [A-Za-z_][\w.-]*+=[^,\s]*+)*+)"
    r"(?![\w.]|, *\w|, *$)",
)
_KNOWN = ("proc", "cgroup", "maps", "rss")
_UNITS = {"k": 2**10, "K": 2**10, "M": 2**20, "G": 2**30}


def parse_line(text: str) -> ThreadLine:
    """Parse the ``[THREADS]`` line that stands anywhere in ``text``.

    Units kB, KB, MB, GB and their ``i`` forms are all powers of 1024. Raises ValueError with the
    reason if the text begins like a line and is not one (torn, interleaved, out of order).
    """
    match = _LINE.search(text)
    if match is None:
        raise ValueError(_why_not(text))
    extra = dict(pair.split("=", 1) for pair in match["extra"].split(", ")[1:])
    if match["rss"] is None and "rss" in extra and text.count("rss=") == 1:
        raise ValueError(
            f"rss={extra['rss'][:20]} has no unit; there are kB, MB, GB, KiB, MiB, GiB"
        )
    for key in _KNOWN:
        if key in extra:
            raise ValueError(f"{key}= is cut, twice there or out of order")
    rss = match["rss"]
    return ThreadLine(
        label=match["label"].strip(),
        threads=_number(match["threads"]),
        cgroup=Usage(_number(match["pids"]), _limit(match["pids_limit"])),
        maps=None
        if match["maps"] is None
        else Usage(_number(match["maps"]), _limit(match["maps_limit"])),
        rss_bytes=None if rss is None else round(float(rss) * _UNITS[match["unit"][0]]),
        extra=extra,
    )


def _number(word: str) -> int | None:
    return None if word == "?" else int(word)


def _limit(word: str) -> int | LimitState:
    if word == "max":
        return LimitState.UNLIMITED
    return LimitState.UNREADABLE if word == "?" else int(word)


def _why_not(text: str) -> str:
    if ": proc=" not in text:
        return "no ': proc=' after the label"
    if not re.search(r": proc=(\d+|\?), cgroup=", text):
        return "no 'proc=N, cgroup=' pair"
    return "cut or broken after 'cgroup='"
