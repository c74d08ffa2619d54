r"""Takes off what a container runtime, a log collector or a launcher put around a line.

Owns the prefixes, in both their senses: they are no part of the line, and some of them name the
process that wrote it. It must not know what a line says.

    {"log":"text\n","stream":"stdout","time":"2026-11-24T08:15:30.123456789Z"}     docker json-file
    2026-11-24T08:15:30.123456789Z stdout F text                                  Kubernetes CRI
    [pod/train-0/main] text                                                       kubectl logs --prefix
    web-1  | text                                                                 compose
    Nov 24 08:15:30 host python[12]: text                                         syslog, journalctl
    [12345.678901] text     [Tue Nov 24 08:15:30 2026] text                       dmesg, dmesg -T
    [default0]: text        [rank0]: text                                         torchrun
    [1,0]<stderr>: text                                                           mpirun, horovodrun
    (train pid=12) text     (train pid=12, ip=10.0.0.1) text                      Ray
    10.0.0.1: text                                                                pdsh, DeepSpeed
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from analyzer.log_text import strip_escapes

# Each with the named group ``who`` where the prefix says which process wrote the line. The kernel
# writes of processes, not as one: a line of its own has no writer.
_STAMP = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"
_CTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
_PREFIXES = (
    rf"{_STAMP} (?:stdout|stderr) [FP] ",
    r"\[pod/(?P<pod>[^\]\s]+)\] ?",
    # Loggers put their level in front of a bar; that is no service.
    r"(?!(?i:trace|debug|info|success|warn(?:ing)?|error|critical|fatal)\b)(?P<service>[A-Za-z0-9][\w.-]{0,80}) *\| ",
    # Only with its pid: what stands there in "12:00:00 ERROR RuntimeError: ..." is no program.
    rf"(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d|{_STAMP}) [\w.-]{{1,80}} (?:kernel|(?P<ident>[\w./@-]{{1,80}}\[\d+\])): ",
    rf"(?P<stamp>{_STAMP}) ",
    rf"\[ *\d+\.\d{{6}}\] |\[{_CTIME}\] ?",
    r"\[(?P<rank>(?:default|rank)\d+)\]: ?",
    rf"(?:{_CTIME})?\[(?P<mpi>\d+,\d+)\]<std(?:out|err|diag)> ?:? ?",
    r"\((?P<actor>[^()=]{0,80}pid=\d+(?:, ip=[\d.:a-f]+)?)\) ?",
    r"(?P<address>\d{1,3}(?:\.\d{1,3}){3}): ",
)
_PREFIX = re.compile("|".join(f"(?:{prefix})" for prefix in _PREFIXES))
PREFIX_BYTES = 512
"""Of a line's start, where its prefixes are; also of one whose first redraws are not kept."""
DOCKER_START = '{"log":"'
_CRI = re.compile(rf"{_STAMP} (?P<stream>stdout|stderr) (?P<tag>[FP]) ".encode())
_DOCKER_TAIL = re.compile(rb'\\n","stream":"std(?:out|err)"')
JOINED_BYTES = 2**16
"""Of a line that a runtime cut into pieces, held at most; what is longer is read in parts."""
_OVERLAP_BYTES = 2**12


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A line without its wrapping; ``writer`` names the process among several, where it is said."""

    text: str
    writer: str | None


def unwrap(line: str) -> Unwrapped:
    """Take every prefix off ``line``, one after another, however they are stacked.

    A time stamp is only one where another prefix follows; else it is the program's own.
    """
    names: list[str] = []
    stamped: str | None = None
    for _ in range(8):
        if line.startswith(DOCKER_START):
            line = _docker_text(line)
        line = strip_escapes(line)
        match = _PREFIX.match(line, 0, PREFIX_BYTES)
        if match is None:
            break
        stamped = line if match["stamp"] else None
        names += [name for name in match.groups() if name and stamped is None]
        line = line[match.end() :]
    return Unwrapped(line if stamped is None else stamped, "/".join(names) or None)


def _docker_text(line: str) -> str:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return line.removeprefix(DOCKER_START)
    text = content.get("log") if isinstance(content, dict) else None
    return text.removesuffix("\n") if isinstance(text, str) else line


class Joiner:
    """Puts together the lines that a runtime cut into pieces of 16 kB, stream by stream.

    A piece that is not the last says so: CRI by ``P``, docker by a text without a newline at its end.
    """

    def __init__(self, start: bytes) -> None:
        """Tell by the ``start`` of a file whether a runtime wrote it, and which."""
        self.is_cri = _CRI.match(start) is not None
        self.is_docker = start.startswith(DOCKER_START.encode())
        self._pending: dict[str, str] = {}

    @property
    def needles(self) -> tuple[bytes, ...]:
        """What stands in every line that is not a whole one."""
        return (b" stdout P ", b" stderr P ") if self.is_cri else ()

    @property
    def is_waiting(self) -> bool:
        """Whether a line has begun and its end has not come."""
        return bool(self._pending)

    def is_piece(self, line: bytes) -> bool:
        """Whether more of the line follows in a later one."""
        if self.is_cri:
            match = _CRI.match(line)
            return match is not None and match["tag"] == b"P"
        return self.is_docker and _DOCKER_TAIL.search(line) is None

    def take(self, line: bytes) -> str | None:
        """Take a physical line; return what can be read of it and those before it, if anything."""
        is_piece = self.is_piece(line)
        stream, text = self._split(line)
        joined = self._pending.pop(stream, "") + text
        if not is_piece:
            return joined
        if len(joined) <= JOINED_BYTES:
            self._pending[stream] = joined
            return None
        at = max(joined.rfind("\r"), len(joined) - _OVERLAP_BYTES)
        self._pending[stream] = joined[at:]
        return joined[:at]

    def rest(self) -> list[str]:
        """Return what still waits for an end that never came."""
        pending, self._pending = self._pending, {}
        return list(pending.values())

    def _split(self, line: bytes) -> tuple[str, str]:
        if self.is_cri and (match := _CRI.match(line)):
            return match["stream"].decode(), line[match.end() :].decode("utf-8", "replace")
        text = line.decode("utf-8", "replace")
        if self.is_docker:
            return text[-200:].rpartition('"stream":"')[2][:6], _docker_text(text)
        return "", text
