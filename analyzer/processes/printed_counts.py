"""Counts and limits that a person asked a shell for: ``ps -u me -L | wc -l``, ``cat pids.current``, ``sysctl``.

An answer stands alone in the line below its command, which says what it counts; some say it themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.processes.shell_answers import ASKING, Value, answers_to_several, is_several
from telemetry.late_pattern import RarePattern, late_pattern
from telemetry.reading import LimitState

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

    from telemetry.reading import Limit

OF_HOST = ("threads_max", "pid_max")
OF_PROCESS = ("nproc", "pids_cgroup")
"""What the threads of one process count towards, beside the host's limits, which are far away."""

_ASKED = RarePattern(
    r"^(?P<command>\+ wc -l\n\+ ps [^\n]{0,200}|(?:\+ ps [^\n]{0,200}\n)?[^\n]{0,300}?(?:\bwc -l|\bgrep -c|/proc/sys/|\bpids\.|sysctl -n)[^\n]{0,200})\n"
    r"[ \t]*(?P<first>\d{1,18}|max)(?: /\S+)?[ \t]*$(?:\n[ \t]*(?P<second>\d{1,18}|max)[ \t]*$)?",
    *ASKING,
)
ULIMITS = {
    "u": ("nproc", 1),
    "n": ("open_files", 1),
    "v": ("address_space", 2**10),
    "d": ("data_size", 2**10),
    "l": ("locked_memory", 2**10),
}
"""What the options of ulimit ask for, and in which unit they are answered."""
_ULIMIT = late_pattern(r"\bulimit -[SH]?([uvdnl])\b")
_PS = late_pattern(r"\bps\s")
_OF_THREADS = late_pattern(
    r"\s-[a-zA-Z]*[LTm]\b|\s-[a-zA-Z]*[LT][a-zA-Z]*\b|\bps [a-zA-Z]*H|\blwp\b"
)
_OF_USER = late_pattern(
    r"(?:\s-[a-zA-Z]*[uU]|--user)[ =]['\"]?(?P<user>[^\s'\"|]+)|\bgrep (?:-\w+ )*['\"^]*(?P<grepped>[\w$-]+)"
)
_OF_PID = late_pattern(r"\s(?:-[a-zA-Z]*p|--pid|p)[ =]\S|/proc/(?:\d+|self|\$\S+)/task")
_AT_PROMPT = late_pattern(r"^\[?(?P<user>[a-z_][\w-]*)@")
_PID = r"(?:\d+|self|\$\S+?|\$?\([^)\n]*\)|\{[^}\n]*\})"


def _counted(path: str) -> str:
    return rf"{path}.*\bwc -l|\bwc -l[ <]+{path}"


_FILES: tuple[tuple[re.Pattern[str], tuple[str, ...], bool], ...] = tuple(
    (late_pattern(pattern), causes, is_limit)
    for pattern, causes, is_limit in (
        (r"pids\.(?:current|peak)\b", ("pids_cgroup",), False),
        (r"pids\.max\b", ("pids_cgroup",), True),
        (r"kernel[./]threads-max\b", ("threads_max",), True),
        (r"kernel[./]pid_max\b", ("pid_max",), True),
        (r"vm[./]max_map_count\b", ("max_map_count",), True),
        (_counted(r"/proc/(?:\*|\[0-9\]\*)/task"), (*OF_HOST, "pids_cgroup"), False),
        (_counted(rf"/proc/{_PID}/task"), OF_PROCESS, False),
        (_counted(rf"/proc/{_PID}/fd\b") + r"|\blsof .*-p.*\bwc -l", ("open_files",), False),
        (_counted(rf"/proc/{_PID}/maps\b"), ("max_map_count",), False),
    )
)
"""What a command reads or counts, towards which limits, and whether the answer is the limit itself."""
_SAID = RarePattern(
    r"^\s*Tasks: (?P<tasks>\d{1,9}) \(limit: (?P<of>\d{1,9})\)"
    r"|\bTasksMax=(?P<tasks_max>\d{1,9})$|\bTasksCurrent=(?P<tasks_now>\d{1,9})$"
    r"|\bpids\.max *[:=] *(?P<pids_max>\d{1,9}|max)$|\bpids\.(?:current|peak) *[:=] *(?P<pids_now>\d{1,9})$"
    r"|^kernel\.threads-max = (?P<threads_max>\d{1,9})$|^kernel\.pid_max = (?P<pid_max>\d{1,9})$"
    r"|^vm\.max_map_count = (?P<max_maps>\d{1,10})$|\bRLIMIT_MEMLOCK, soft limit: (?P<memlock>\d{1,18})\b"
    r"|^Threads:\t(?P<threads>\d{1,7})$|^Vm(?:Peak|Size):\s+(?P<size>\d{1,15}) kB$",
    *("Tasks", "pids.", "kernel.", "vm.max_map_count", "Threads:\t", "VmPeak:", "VmSize:"),
    "RLIMIT_MEMLOCK",
)
_LOAD_AVERAGE = RarePattern(
    r"^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/(?P<of_host>\d{1,8}) \d+$",
    sign=r"\.\d\d \d{1,}/\d",
)
_LIMIT_OF = {
    "tasks_max": "pids_cgroup",
    "pids_max": "pids_cgroup",
    "threads_max": "threads_max",
    "pid_max": "pid_max",
    "max_maps": "max_map_count",
    "memlock": "locked_memory",
}
_USE_OF = {
    "tasks_now": ("pids_cgroup",),
    "pids_now": ("pids_cgroup",),
    "threads": OF_PROCESS,
    "of_host": OF_HOST,
}
# "max 12" below or beside pids.events, in memory.events "oom_kill 3", also of memory.oom_control
_EVENTS = RarePattern(
    r"\bpids\.events(?:\.local)?\b(?:[^\n]{0,40}?|[^\n]{0,200}\n[ \t]*)\bmax[ =:]+(?P<pids>\d{1,9})\b"
    r"|(?:^|[ ,:{])[ \t]*oom_kill[ =:]+(?P<memory>\d{1,9})\b",
    "pids.events",
    "oom_kill",
)
# "INFO map_size: 1099511627776", "lmdb.open(path, map_size=1024 ** 4)"
_MAP_SIZE = RarePattern(
    r"\bmap_?size['\"]?\s*[=:]\s*(?:int\()?(?P<number>\d[\d_]{0,18}(?:\.\d+)?(?:e\d{1,2})?)"
    r"(?:\s*(?P<sign>\*\*|<<)\s*(?P<power>\d{1,2})|\s?(?P<letter>[KMGT])i?B\b)?",
    "map_size",
    "mapsize",
)
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Shown(NamedTuple):
    """A limit or a use of one, as it is shown somewhere."""

    at: int
    """Where in the text its line ends, or before."""
    cause: str
    limit: Limit
    current: int | None
    is_asked: bool = False
    """Whether ``current`` is not in use, but was asked for at once."""
    command: str = ""
    """Which it answers; empty where the line says itself what it is."""
    hits: int | None = None
    """How often the kernel refused or killed by it, where that is what is shown."""


def shown_counts(text: str) -> Iterator[Shown]:
    """Find the counts and limits in ``text`` that a shell's command asked for, or that say themselves what they are."""
    yield from _asked(text)
    for match in _LOAD_AVERAGE.finditer(text):
        yield from _said(match)
    for match in _SAID.finditer(text):
        yield from _said(match)
    for match in _EVENTS.finditer(text):
        cause = "pids_cgroup" if match["pids"] else "cgroup_memory"
        hits = int(match["pids"] or match["memory"])
        yield Shown(match.end() - 1, cause, LimitState.INVISIBLE, None, hits=hits)
    for match in _MAP_SIZE.finditer(text):
        yield Shown(
            match.end() - 1, "address_space", LimitState.INVISIBLE, _size(match), is_asked=True
        )


def _asked(text: str) -> Iterator[Shown]:
    """Find what commands asked for, alone in a line of a shell or with others."""
    for match in _ASKED.finditer(text):
        if not is_several(match["command"]):
            values = [Value(match[n], match.start(n)) for n in ("first", "second") if match[n]]
            yield from _answers(match["command"], match["command"], values)
    for answered in answers_to_several(text):
        if ulimit := _ULIMIT.search(answered.command):
            cause, unit = ULIMITS[ulimit[1]]
            value = answered.values[0]
            limit = _number(value.text)
            limit = limit * unit if isinstance(limit, int) else limit
            yield Shown(value.at, cause, limit, None, command=answered.command)
        else:
            yield from _answers(answered.command, answered.line, answered.values)


def _answers(command: str, line: str, values: Sequence[Value]) -> Iterator[Shown]:
    """Give what a command, which stands in a line of a shell, and the values below it say."""
    command = " ".join(command.split())
    found = sorted(
        (place.start(), causes, is_limit)
        for pattern, causes, is_limit in _FILES
        if (place := pattern.search(command))
    )
    if not found and _PS.search(command):
        found = [(0, _counted_by_ps(command, line), False)]
    for value, (_, causes, is_limit) in zip(values, found, strict=False):
        for cause in causes:
            if is_limit:
                yield Shown(value.at, cause, _number(value.text), None, command=command)
            elif value.text.isdigit():
                current = int(value.text)
                yield Shown(value.at, cause, LimitState.INVISIBLE, current, command=command)


def _counted_by_ps(command: str, line: str) -> tuple[str, ...]:
    """Return the limits that the tasks which a ``ps`` lists count towards; none for those of somebody else."""
    if _OF_PID.search(command):
        return OF_PROCESS
    user, prompt = _OF_USER.search(command), _AT_PROMPT.search(line)
    if user is None:
        return OF_HOST if _OF_THREADS.search(command) else ()
    name = user["user"] or user["grepped"]
    is_other = prompt is not None and not name.startswith(("$", "`")) and name != prompt["user"]
    return () if is_other or name in {"root", "0"} else ("nproc",)


def _said(match: re.Match[str]) -> Iterator[Shown]:
    name, at = match.lastgroup or "", match.end() - 1
    if name == "of":
        yield Shown(at, "pids_cgroup", int(match["of"]), int(match["tasks"]))
    elif name == "size":
        yield Shown(at, "address_space", LimitState.INVISIBLE, int(match["size"]) * 2**10)
    elif name in _LIMIT_OF:
        yield Shown(at, _LIMIT_OF[name], _number(match[name]), None)
    else:
        for cause in _USE_OF[name]:
            yield Shown(at, cause, LimitState.INVISIBLE, int(match[name]))


def _number(answer: str) -> Limit:
    return int(answer) if answer.isdigit() else LimitState.UNLIMITED


def _size(match: re.Match[str]) -> int:
    """Return the bytes that an expression of Python stands for: ``2 ** 40``, ``1 << 40``, ``1e12``."""
    number = float(match["number"].replace("_", ""))
    power = int(match["power"] or 0)
    if match["sign"] == "<<":
        number *= 2**power
    elif match["sign"] == "**":
        number **= power
    return round(min(number * _SIZES.get(match["letter"] or "", 1), 2**63))
