r"""Takes off what a container runtime, a log collector or a launcher put around a line.

Owns the prefixes, in all their senses: they are no part of the line, some of them name the process
that wrote it, and some of them say when.

    {"log":"text\n","stream":"stdout","time":"2026-11-24T08:15:30.123456789Z"}     docker json-file
    2026-11-24T08:15:30.123456789Z stdout F text                                  Kubernetes CRI
    [pod/train-0/main] text                                                       kubectl logs --prefix
    web-1  | text           08:15:30 web.1  | text                                compose, honcho and foreman
    Nov 24 08:15:30 host python[12]: text                                         syslog, journalctl
    Tue 2026-11-24 08:15:30 UTC host python[12]: text                             journalctl -o short-full
    <13>1 2026-11-24T08:15:30.123Z host python 12 - - text                        RFC 5424
    [12345.678901] text     [Tue Nov 24 08:15:30 2026] text                       dmesg, dmesg -T
    [default0]: text        [rank0]: text        [trainer0]: text                 torchrun
    [1,0]<stderr>: text                                                           mpirun, horovodrun
    0: text                 [0] text                                              srun -l, MPICH
    (train pid=12) text     (train pid=12, ip=10.0.0.1) text                      Ray
    10.0.0.1: text                                                                pdsh, DeepSpeed
    2026-11-24T08:15:30.1234567Z text                                             GitHub Actions, Azure Pipelines
    2026-11-24T08:15:30.123456Z 00O text                                          GitLab CI
    [2026-11-24T08:15:30.123Z] text                                               Jenkins
    [08:15:30]i: [Step 1/2] text                                                  TeamCity
    ,{"stream_name":"stdout","time":12.1,"data":"text\n"}                          Kaggle
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.logs.blocks import strip_escapes
from analyzer.signatures.tracebacks import TRACEBACK
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Each with a named group where the prefix says which process wrote the line. The kernel writes of
# processes, not as one: a line of its own has no writer.
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
_SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_CTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
_SYSLOG_TIME = rf"(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|(?:[A-Z][a-z]{{2}} )?{_STAMP}(?: [A-Z]{{2,5}})?)"
_PREFIXES = (
    rf"(?P<cri_time>{_STAMP}) (?:stdout|stderr) [FP] ",
    r"\[pod/(?P<pod>[^\]\s]+)\] ?",
    # A letter first: a count or a time in front of a bar is the program's own.
    r"(?:\d\d:\d\d:\d\d )?(?P<service>[A-Za-z][\w.-]{0,80}) *\| ",
    # Only with its pid: what stands there in "12:00:00 ERROR RuntimeError: ..." is no program.
    rf"(?P<syslog_time>{_SYSLOG_TIME}) [\w.-]{{1,80}} (?:kernel|(?P<ident>[\w./@-]{{1,80}}\[\d+\])): ",
    rf"<\d{{1,3}}>\d (?P<rfc_time>{_STAMP}) \S+ (?:(?P<app>[\w./@-]{{1,80}}) (?P<app_pid>\d+)|\S+ \S+) \S+ (?:-|(?:\[[^\]]*\])+) ?",
    # Of the runners of GitHub and Azure, of GitLab and of Jenkins, in forms that no program writes by itself.
    rf"(?P<runner_time>{_SECOND}\.\d{{7}}Z) |(?P<gitlab_time>{_SECOND}\.\d{{6}}Z) \d\d[OE][ +]",
    rf"\[(?P<jenkins_time>{_SECOND}\.\d{{3}}Z)\] ",
    r"\[\d\d:\d\d:\d\d\]\w?:[ \t]{0,4}\[Step \d+/\d+\] ",
    rf"(?P<stamp>{_STAMP}) ",
    rf"\[ *\d+\.\d{{6}}\] |\[{_CTIME}\] ?",
    r"\[(?P<rank>[A-Za-z_]{2,30}\d+)\]: ?",
    rf"(?:{_CTIME})?\[(?P<mpi>\d+,\d+)\]<std(?:out|err|diag)> ?:? ?",
    r"\((?P<actor>[^()=]{0,80}pid=\d+(?:, ip=[\d.:a-f]+)?)\) ?",
    r"(?P<address>\d{1,3}(?:\.\d{1,3}){3}): ",
    r" {0,4}(?P<task>\d{1,5}): |\[(?P<process>\d{1,5})\] ",
)
_PREFIX = re.compile("|".join(f"(?:{prefix})" for prefix in _PREFIXES))
_TIME_BESIDE = {
    "cri_time": "cri_time",
    "ident": "syslog_time",
    "syslog_time": "syslog_time",
    "app_pid": "rfc_time",
    "rfc_time": "rfc_time",
    "runner_time": "runner_time",
    "gitlab_time": "gitlab_time",
    "jenkins_time": "jenkins_time",
    "stamp": "stamp",
}
"""The group of the time, by the last group of a prefix."""
_LEVELS = {"trace", "debug", "info", "success", "warn", "warning", "error", "critical", "fatal"}
"""Loggers put their level in front of a bar; that is no service."""
_MESSAGES = ("textPayload", "message", "msg", "event", "data")
_LEVEL_KEYS = ("level", "levelname", "severity")
_TIMES = ("timestamp", "time", "@timestamp", "asctime", "ts")
_OF_KAGGLE = ('{"stream_name"', '[{"stream_name"', ',{"stream_name"')
"""Starts of the lines of Kaggle's log, which is one array of JSON; what a stream wrote is called data."""
_OF_LOGGERS = {*_LEVEL_KEYS, *_TIMES}
"""A JSON object with one of these is a logger's line, not a result."""
PREFIX_BYTES = 512
"""Of a line's start, where its prefixes are; also of one whose first redraws are not kept."""
MOST_PREFIXES = 8
"""Of one line."""
DOCKER_START = '{"log":"'
PIECE_LITERALS = (b" stdout P ", b" stderr P ")
"""One stands in every line that CRI cut off."""
_DOCKER = DOCKER_START.encode()
_CRI = late_pattern(rf"(?P<time>{_STAMP}) (?P<stream>stdout|stderr) (?P<tag>[FP]) ".encode())
_DOCKER_TAIL = late_pattern(rb'\\n","stream":"std(?:out|err)"')
PIECE_BYTES = 2**14
"""Of a piece that Docker cut off; a shorter line is a whole one."""
JOINED_BYTES = 2**16
"""Of a line that a runtime cut into pieces, held at most; what is longer is read in parts."""
_OVERLAP_BYTES = 2**12
_ONES = str.maketrans("023456789", "111111111")
"""A moment of which every digit is a one is a valid one."""


class Unwrapped(NamedTuple):
    """A line without its wrapping; ``writer`` names the process among several, where it is said."""

    text: str
    writer: str | None = None
    stamp: str | None = None
    """When it was written, by the outermost wrapping that says so."""

    @property
    def time(self) -> float | None:
        """The stamp in seconds since the epoch; see `seconds_of`."""
        return None if self.stamp is None else seconds_of(self.stamp)


def seconds_of(stamp: str) -> float | None:
    """Return a time in seconds since the epoch; None where it does not name its zone: never guessed."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def is_form_of_time(stamp: str) -> bool:
    """Whether a time written as ``stamp`` is, whatever its digits, can be told in seconds since the epoch."""
    return seconds_of(stamp.translate(_ONES)) is not None


def next_prefix(line: str, at: int = 0) -> re.Match[str] | None:
    """Return the prefix that begins at ``at``, if one does."""
    match = _PREFIX.match(line, at, at + PREFIX_BYTES)
    if match is None or (match.lastgroup == "service" and match["service"].lower() in _LEVELS):
        return None
    return match


def time_in(match: re.Match[str]) -> slice | None:
    """Return where a prefix says when the line was written."""
    group = _TIME_BESIDE.get(match.lastgroup or "")
    return None if group is None else slice(*match.span(group))


def name_in(match: re.Match[str]) -> tuple[slice | str, ...]:
    """Return of what a prefix makes the name of its writer; empty where it names none."""
    group = match.lastgroup
    if group == "app_pid":
        return slice(*match.span("app")), "[", slice(*match.span(group)), "]"
    if group is None or (group in _TIME_BESIDE and group != "ident"):
        return ()
    return (slice(*match.span(group)),)


def unwrap(line: str, *, stamp: str | None = None) -> Unwrapped:
    """Take every prefix off ``line``, one after another, however they are stacked.

    A time stamp is only one where another prefix follows; else it is the program's own, though it
    says when all the same. ``stamp`` is that of a wrapping which is off already.
    """
    names: list[str] = []
    stamped: str | None = None
    for _ in range(MOST_PREFIXES):
        if line.startswith(DOCKER_START):
            line, written = _docker_text(line)
            stamp = stamp or written
        if line.startswith(_OF_KAGGLE):
            line = line.strip("[], \r")
        if line.startswith('{"') and (told := _logged_text(line)) is not None:
            line, written = told
            stamp = stamp or written
        line = strip_escapes(line)
        match = next_prefix(line)
        if match is None:
            break
        stamped = line if match["stamp"] else None
        if (time := time_in(match)) is not None:
            stamp = stamp or line[time]
        if pieces := name_in(match):
            names.append("".join(p if isinstance(p, str) else line[p] for p in pieces))
        line = line[match.end() :]
    return Unwrapped(line if stamped is None else stamped, "/".join(names) or None, stamp)


def _docker_text(line: str) -> tuple[str, str | None]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return line.removeprefix(DOCKER_START).replace(r"\u001b", "\x1b"), None
    text = content.get("log") if isinstance(content, dict) else None
    if not isinstance(text, str):
        return line, None
    stamp = content.get("time")
    text = _without_surrogates(text.removesuffix("\n"))
    return text, _without_surrogates(stamp) if isinstance(stamp, str) else None


def _logged_text(line: str) -> tuple[str, str | None] | None:
    """Return the message of a logger that writes JSON, with its level in front, and when it was written.

    A traceback that it writes beside the message follows it. A message of several lines stays one line, as JSON
    writes it. None for any other object.
    Google's collectors give everything on standard error the severity ERROR, so that one says nothing.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not _OF_LOGGERS & content.keys():
        return None
    inner = content.get("jsonPayload")
    sources = (content, inner if isinstance(inner, dict) else {})
    found = (source.get(key) for source in sources for key in _MESSAGES)
    text = next((one for one in found if isinstance(one, str)), None)
    if text is None:
        return None
    raised = _traceback_in(content)
    if raised and raised not in text:
        text = f"{text}\n{raised}"
    level = str(next((content[key] for key in _LEVEL_KEYS if key in content), "")).upper()
    is_of_collector = "severity" in content and level not in {"DEBUG", "INFO", "WARNING"}
    stamp = next((content[key] for key in _TIMES if isinstance(content.get(key), str)), None)
    words = text if is_of_collector or not level.isalpha() else f"{level} {text}"
    return (
        _without_surrogates(words.rstrip("\n").replace("\n", "\\n")),
        stamp and _without_surrogates(stamp),
    )


def _traceback_in(content: Mapping[str, Any]) -> str:
    """Return the traceback that a JSON object holds, in itself or one level in; empty if it holds none."""
    inner = (value for one in content.values() if isinstance(one, dict) for value in one.values())
    values = (value for value in (*content.values(), *inner) if isinstance(value, str))
    return next((value for value in values if TRACEBACK in value), "")


def _without_surrogates(text: str) -> str:
    """Return ``text`` without halves of characters, which JSON can say and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def is_of_runtime(content: bytes | bytearray, start: int = 0) -> bool:
    """Whether a container runtime wrote the line at ``start``."""
    return content.startswith(_DOCKER, start) or _CRI.match(content, start) is not None


def docker_pieces(content: bytes | bytearray, end: int) -> Iterator[int]:
    """Give the start of each line before ``end`` that may be a piece: only its length marks one.

    Steps from one to the next: no other line is looked at. All lines of Docker's are its own, so
    where the first whole one and the last are not, none is.
    """
    first, last = content.find(b"\n", 0, end) + 1, content.rfind(b"\n", 0, max(0, end - 1)) + 1
    if not any(content.startswith(_DOCKER, start) for start in (0, first, last)):
        return
    at = PIECE_BYTES - 1
    done = 0
    while at < end:
        start = content.rfind(b"\n", done, at) + 1 or done
        done = content.find(b"\n", at, end)
        done = end if done < 0 else done
        if done - start >= PIECE_BYTES and content.startswith(_DOCKER, start):
            yield start
        at = max(done, at) + PIECE_BYTES


class PartialLineAssembler:
    """Puts together the lines that a runtime cut into pieces of 16 kB, stream by stream.

    A piece that is not the last says so: CRI by ``P``, docker by a text without a newline at its end.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Unwrapped] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a line has begun and its end has not come."""
        return bool(self._pending)

    def take(self, line: bytes) -> list[Unwrapped]:
        """Take a physical line; return what can be read of it and those before it, if anything.

        One that no runtime wrote ends what waits: its end was cut away.
        """
        text = line.decode("utf-8", "replace")
        if match := _CRI.match(line):
            is_piece, stream = match["tag"] == b"P", match["stream"].decode()
            text, stamp = text[match.end() :], match["time"].decode("ascii", "replace")
        elif line.startswith(_DOCKER):
            is_piece = line.rstrip().endswith(b"}") and _DOCKER_TAIL.search(line) is None
            stream = _docker_stream(text)
            text, stamp = _docker_text(text)
        else:
            return [*self.rest(), Unwrapped(text)]
        joined = self._pending.pop(stream, Unwrapped("")).text + text
        if not is_piece:
            return [Unwrapped(joined, stamp=stamp)]
        if len(joined) <= JOINED_BYTES:
            self._pending[stream] = Unwrapped(joined, stamp=stamp)
            return []
        at = max(joined.rfind("\r"), len(joined) - _OVERLAP_BYTES)
        self._pending[stream] = Unwrapped(joined[at:], stamp=stamp)
        return [Unwrapped(joined[:at], stamp=stamp)]

    def rest(self) -> list[Unwrapped]:
        """Return what still waits for an end that never came."""
        pending, self._pending = self._pending, {}
        return list(pending.values())


def _docker_stream(line: str) -> str:
    return line[-200:].rpartition('"stream":"')[2][:6]
