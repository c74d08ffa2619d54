"""Limits and uses that a log prints by itself: of a shell, of docker, of a scheduler, of free and nvidia-smi.

They are looked for at the start and the end of a log, where people print them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from analyzer.processes.printed_counts import ULIMITS, shown_counts
from analyzer.processes.shell_answers import is_several
from telemetry.late_pattern import RarePattern, late_pattern
from telemetry.reading import LimitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry.reading import Limit

_LETTERS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_OF_NAME = {
    "nproc": "nproc",
    "nofile": "open_files",
    "memlock": "locked_memory",
    "as": "address_space",
    "data": "data_size",
}
_OF_COMPOSE = {
    "pids_limit": "pids_cgroup",
    "mem_limit": "cgroup_memory",
    "shm_size": "shared_memory",
}
_OF_ROW = {
    "processes": "nproc",
    "open files": "open_files",
    "address space": "address_space",
    "data size": "data_size",
    "locked memory": "locked_memory",
}

# "-u: processes   1029364" of dash and zsh; "max user processes   (-u) 4096" of bash
_ULIMIT = RarePattern(
    r"-(?P<flag>[uvdnl])(?:\)\s+|: [a-z -]+(?:\(\w+\))?\s+)(?P<value>unlimited|\d{1,18})\s*$",
    *(f"-{flag}{end}" for flag in "uvdnl" for end in (")", ": ")),
)
_ULIMIT_ASKED = RarePattern(
    r"^(?P<line>[^\n]{0,200}?)ulimit -[SH]?(?P<flag>[uvdnl])\s*\n(?P<value>unlimited|\d{1,18})\s*$",
    "ulimit -",
)
# "+ ulimit -v 4194304" of a script that shows what it does
_ULIMIT_SET = RarePattern(
    r"^\++ ulimit -[SH]?(?P<flag>[uvdnl]) (?P<value>unlimited|\d{1,18})\s*$", "ulimit -"
)
# What Grid Engine sets RLIMIT_AS to, for each slot.
_H_VMEM = RarePattern(r"\bh_vmem=(?P<amount>\d{1,9}(?:\.\d+)?)(?P<letter>[KMGkmg]?)\b", "h_vmem=")
_PROC_LIMITS = RarePattern(
    r"^Max (?P<row>processes|open files|address space|data size|locked memory)\s+(?P<value>unlimited|\d{1,18})\s",
    "Max ",
)
_OPTIONS = RarePattern(
    r"--(?:pids-limit[= ](?P<pids>-?\d{1,9})|ulimit[= ](?P<ulimit>nproc|nofile|memlock|as|data)=(?P<value>-?\d{1,18})"
    r"|(?P<size>shm-size|memory|mem)[= ](?P<amount>\d{1,12}(?:\.\d+)?)(?P<letter>[kmgtKMGT]?)i?[bB]?\b)",
    "--pids-limit",
    "--ulimit",
    "--shm-size",
    "--mem",
)
_COMPOSE = RarePattern(
    r"^\s*(?P<key>pids_limit|mem_limit|shm_size):\s*['\"]?(?P<amount>\d{1,12})(?P<letter>[kmgt]?)",
    "pids_limit",
    "mem_limit",
    "shm_size",
    flags=re.MULTILINE | re.IGNORECASE,
)
_KUBERNETES = RarePattern(
    r"^\s*Limits:\s*\n(?:\s+\S+:\s+\S+\n)*?\s+memory:\s+(?P<amount>\d{1,12})(?P<letter>[KMGT]?)i?\s*$",
    "Limits:",
)
_TRES = RarePattern(
    r"\b(?:Alloc|Req)?TRES=\S*?\bmem=(?P<amount>\d{1,9}(?:\.\d+)?)(?P<letter>[KMGT])", "TRES="
)
_REQUESTED = RarePattern(
    r"Total Requested Memory\s*:\s*(?P<amount>\d{1,9}(?:\.\d+)?) (?P<letter>[KMGT])B",
    "Total Requested Memory",
)
_MAX_MEMORY = RarePattern(
    r"Max Memory\s*:\s*(?P<amount>\d{1,9}(?:\.\d+)?) (?P<letter>[KMGT])B", "Max Memory"
)
_EFFICIENCY = RarePattern(
    r"Memory Utilized: (?P<used>[\d.]+) (?P<letter>[KMGT])B\s*\nMemory Efficiency: [\d.]+% of (?P<amount>[\d.]+) (?P<of>[KMGT])B",
    "Memory Efficiency: ",
)
_FREE = RarePattern(
    r"^Mem:\s+(?P<total>\d[\d.]{0,15})(?P<letter>[KMGT]?)i?\s+(?P<used>\d[\d.]{0,15})(?P<of>[KMGT]?)i?\s+\d",
    "Mem:",
)
_FREE_ASKED = late_pattern(
    r"\bfree(?: -[wltvs0-9]+)*(?: -[wltv]*(?P<letter>[bkmg])[wltv]*| --(?P<word>bytes|kilo|kibi|mega|mebi|giga|gibi))?\b(?=[^\n]*\n[^\n]*\btotal\b)"
)
FREE_ABOVE = 300
"""Characters above the numbers of free, in which its command is looked for."""
_FREE_LEAST = (("", 3e10), ("k", 4e6), ("m", 4096))
"""The least total that is of a unit; what is less is gigabytes."""
_TOTAL = RarePattern(r"^(?:# )?MemTotal:\s+(?P<total>\d{1,15}) kB", "MemTotal:")
_AVAILABLE = RarePattern(r"^(?:# )?MemAvailable:\s+(?P<available>\d{1,15}) kB", "MemAvailable:")
# With strict overcommit the kernel refuses what would go beyond the limit, however much is free.
_STRICT = late_pattern(r"\bovercommit_memory(?: ?[=:] ?|\s*\n)2\s*$", re.MULTILINE)
_COMMIT_LIMIT = RarePattern(r"^(?:# )?CommitLimit:\s+(?P<limit>\d{1,15}) kB", "CommitLimit:")
_COMMITTED = RarePattern(r"^(?:# )?Committed_AS:\s+(?P<used>\d{1,15}) kB", "Committed_AS:")
# "overlay          50G   50G     0 100% /" of df
_DISK = RarePattern(
    r"^\S+\s+(?P<size>\d[\d.]{0,15})(?P<letter>[KMGTP]?)i?\s+(?P<used>\d[\d.]{0,15})(?P<of>[KMGTP]?)i?"
    r"\s+\d[\d.]{0,15}[KMGTP]?i?\s+(?P<percent>\d{1,3})%\s+(?P<mount>/\S*)\s*$",
    sign=r"%\s+/",
)
# "/lustre  20.02T*    19T     20T       -  811203 ..." of lfs quota and quota
_QUOTA = RarePattern(
    r"^\s*/\S+\s+(?P<used>\d[\d.]{0,15})(?P<of>[kKMGTP])\*?\s+\d[\d.]{0,15}[kKMGTP]?\s+(?P<limit>\d[\d.]{0,15})"
    r"(?P<letter>[kKMGTP])\s+(?:-|\S+)\s+\d",
    sign=r"[kKMGTP]\*?\s+\d",
)
_MAPS = RarePattern(
    r"\b(?P<maps>\d{4,7}) (?:lines|entries|maps|mappings) in /proc/(?:self|\d+)/maps\b", "/maps"
)
_MAX_MAPS = RarePattern(r"\bvm\.max_map_count\s*[=:]\s*(?P<limit>\d{4,10})\b", "vm.max_map_count")
DEFAULT_MAX_MAPS = 65_530
"""DEFAULT_MAX_MAP_COUNT of linux/mm.h; what counts for a limit that is not printed, if the use comes near."""
FULL_PERCENT = 97
SHARED = "/dev/shm"  # noqa: S108 - where df says that it is mounted
_GPU = RarePattern(
    r"total capacity of (?P<total>[\d.]+) GiB of which (?P<free>[\d.]+) (?P<unit>[MG])iB is free",
    "total capacity of ",
)


class PrintedLimit(NamedTuple):
    """A limit, or a use of one, that a line of the log says."""

    cause: str
    limit: Limit
    """In bytes or ones; invisible where only the use is said."""
    current: int | None
    line: int
    text: str
    is_asked: bool = False
    """Whether ``current`` was asked for at once, and is not in use."""
    hits: int | None = None
    """How often the kernel refused or killed by it, where that is what is said."""


Found: TypeAlias = "tuple[re.Match[str], str, Limit, int | None]"
"""What is said of a limit: where, of which, the limit, and its use."""


def printed_limits(text: str, *, first_line: int = 1) -> Iterator[PrintedLimit]:
    """Find what ``text``, which begins with line ``first_line`` of the log, says of limits."""
    for find in (_of_shells, _of_options, _of_schedulers, _of_memory, _of_files):
        for match, cause, limit, current in find(text):
            line, words = _place(text, match.end() - 1, first_line)
            yield PrintedLimit(cause, limit, current, line, words)
    for shown in shown_counts(text):
        line, words = _place(text, shown.at, first_line)
        words = f"{shown.command}: {words}" if shown.command else words
        yield PrintedLimit(
            shown.cause, shown.limit, shown.current, line, words, shown.is_asked, shown.hits
        )


def _place(text: str, at: int, first_line: int) -> tuple[int, str]:
    """Return the number of the line at an offset, and the line."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return first_line + text.count("\n", 0, at), text[
        start : end if end >= 0 else len(text)
    ].strip()


def _of_shells(text: str) -> Iterator[Found]:
    asked = (match for match in _ULIMIT_ASKED.finditer(text) if not is_several(match["line"]))
    for match in (*_ULIMIT.finditer(text), *_ULIMIT_SET.finditer(text), *asked):
        cause, unit = ULIMITS[match["flag"]]
        yield match, cause, _limit(match["value"], unit), None
    for match in _PROC_LIMITS.finditer(text):
        yield match, _OF_ROW[match["row"]], _limit(match["value"], 1), None


def _of_options(text: str) -> Iterator[Found]:
    for match in _OPTIONS.finditer(text):
        if match["pids"]:
            yield match, "pids_cgroup", _limit(match["pids"], 1), None
        elif match["ulimit"]:
            yield match, _OF_NAME[match["ulimit"]], _limit(match["value"], 1), None
        else:
            cause = "shared_memory" if match["size"] == "shm-size" else "cgroup_memory"
            # Slurm's --mem is in megabytes where no letter says otherwise; docker's in bytes.
            letter = match["letter"] or ("m" if match["size"] == "mem" else "")
            yield match, cause, _bytes(match["amount"], letter), None
    for match in _COMPOSE.finditer(text):
        cause = _OF_COMPOSE[match["key"].lower()]
        yield match, cause, _bytes(match["amount"], match["letter"]), None


def _of_schedulers(text: str) -> Iterator[Found]:
    for pattern in (_KUBERNETES, _TRES, _REQUESTED):
        for match in pattern.finditer(text):
            yield match, "cgroup_memory", _bytes(match["amount"], match["letter"]), None
    for match in _H_VMEM.finditer(text):
        yield match, "address_space", _bytes(match["amount"], match["letter"]), None
    for match in _MAX_MEMORY.finditer(text):
        used = _bytes(match["amount"], match["letter"])
        yield match, "cgroup_memory", LimitState.INVISIBLE, used
    for match in _EFFICIENCY.finditer(text):
        used = _bytes(match["used"], match["letter"])
        yield match, "cgroup_memory", _bytes(match["amount"], match["of"]), used


def _of_memory(text: str) -> Iterator[Found]:
    for match in _FREE.finditer(text):
        unit = _unit_of_free(text[max(0, match.start() - FREE_ABOVE) : match.start()], match)
        total, used = (
            _bytes(match[name], match[letter] or unit)
            for name, letter in (("total", "letter"), ("used", "of"))
        )
        yield match, "host_memory", total, used
    total_line = next(_TOTAL.finditer(text), None)
    most = int(total_line["total"]) * 2**10 if total_line else 0
    for match in _AVAILABLE.finditer(text) if most else ():
        yield match, "host_memory", most, most - int(match["available"]) * 2**10
    committed = next(_COMMITTED.finditer(text), None)
    for match in _COMMIT_LIMIT.finditer(text) if committed and _STRICT.search(text) else ():
        committed_bytes = int(committed["used"]) * 2**10 if committed else None
        yield match, "host_memory", int(match["limit"]) * 2**10, committed_bytes
    for match in _GPU.finditer(text):
        most = _bytes(match["total"], "g")
        yield match, "gpu_memory", most, most - _bytes(match["free"], match["unit"])


def _unit_of_free(above: str, match: re.Match[str]) -> str:
    """Return the unit of what free prints without one: by the command above it, else by how large a host can be."""
    asked = [*_FREE_ASKED.finditer(above)]
    if asked:
        option = asked[-1]["letter"] or asked[-1]["word"] or "k"
        return option[0] if option[0] != "b" else ""
    total = float(match["total"])
    return next((unit for unit, least in _FREE_LEAST if total >= least), "g")


def _of_files(text: str) -> Iterator[Found]:
    for match in _DISK.finditer(text):
        size = _bytes(match["size"], match["letter"] or "k")
        is_full, is_shared = int(match["percent"]) >= FULL_PERCENT, match["mount"] == SHARED
        if size and (is_full or is_shared):
            used = size if is_full else _bytes(match["used"], match["of"] or "k")
            yield match, "shared_memory" if is_shared else "disk_space", size, used
    for match in _QUOTA.finditer(text):
        limit = _bytes(match["limit"], match["letter"])
        if limit:
            yield match, "disk_quota", limit, _bytes(match["used"], match["of"])
    printed = next(_MAX_MAPS.finditer(text), None)
    for match in _MAPS.finditer(text):
        used = int(match["maps"])
        most = int(printed["limit"]) if printed else DEFAULT_MAX_MAPS
        is_near = 0.9 * most <= used <= most + 2
        yield match, "max_map_count", most if printed or is_near else LimitState.INVISIBLE, used


def _limit(value: str, unit: int) -> Limit:
    if value == "unlimited" or value.startswith("-"):
        return LimitState.UNLIMITED
    return int(value) * unit


def _bytes(amount: str, letter: str) -> int:
    return round(float(amount) * _LETTERS[letter.lower()])


_HELD = late_pattern(
    r"(?P<now>[\d.]+) (?P<now_unit>[MG])iB is allocated by PyTorch|(?P<old>[\d.]+) (?P<old_unit>[MG])iB already allocated"
)
_CAPACITY = late_pattern(
    r"total capacity of (?P<now>[\d.]+) GiB|(?P<old>[\d.]+) GiB total capacity"
)


def held_share(message: str) -> float | None:
    """Return the share of the GPU that PyTorch itself holds, by its own message; None where it is not said."""
    held, total = _HELD.search(message), _CAPACITY.search(message)
    if held is None or total is None:
        return None
    part = _bytes(held["now"] or held["old"], held["now_unit"] or held["old_unit"])
    return part / max(1, _bytes(total["now"] or total["old"], "g"))
