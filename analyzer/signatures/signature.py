"""The type of a signature, and the causes that signatures can have."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from telemetry.limits import LIMITS, Refusal, refusing

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_A_LIMIT = "not_a_limit"
OTHER_CAUSES: Mapping[str, str] = {
    "disk_space": "a full file system",
    "disk_quota": "the user's disk quota",
    "inotify_watches": "the limit on watched files (fs.inotify.max_user_watches)",
    "windows_commit": "the commit limit of Windows: RAM and paging files",
    "scheduler_memory": "the memory limit of the batch system or framework",
    "time_limit": "the job's time limit",
    "host_lost": "the loss of the host",
    "preempted": "preemption by the scheduler",
    "interrupted": "an interruption: a person or a scheduler ended it",
    NOT_A_LIMIT: "no resource limit",
}
"""Causes that are none of the limits that are read, with their titles."""
CAUSES = (*LIMITS, *OTHER_CAUSES)
"""Every cause that a diagnosis can name."""

TASKS = refusing(Refusal.TASK)
"""What makes clone() give EAGAIN, for threads and for processes alike (kernel/fork.c)."""
MEMORY = refusing(Refusal.KILL)
_MAPPINGS = tuple(name for name in refusing(Refusal.MAPPING) if name not in MEMORY)
ENOMEM = (*_MAPPINGS, *reversed(MEMORY))
"""What makes mmap() give ENOMEM. The host's memory first: at its own limit a cgroup kills as a rule."""
TASK_OR_MEMORY = (*TASKS, *_MAPPINGS, *MEMORY)
"""What makes pthread_create() give EAGAIN: clone() refuses a task, or the stack's mmap gets ENOMEM,
which glibc turns into EAGAIN (nptl/allocatestack.c)."""
KILLED = (*MEMORY, NOT_A_LIMIT)
"""What sends SIGKILL: an OOM killer, or an eviction, a scheduler or a person, which no limit is."""


@cache
def _compiled(text: str, flags: int) -> re.Pattern[str]:
    return re.compile(text, flags)


_LINE_START = r"^(?:[\[(]?\d[\d:.,/TZ+-]{3,40}[\])]?[ \t]+){0,3}\s*"
"""What ``^\\s*`` stands for: a collector may have put a time in front of the line."""


class Expression:
    """A regular expression; compiled where it is first asked, as most logs ask few of them."""

    __slots__ = ("flags", "text")

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        self.text = text.replace(r"^\s*", _LINE_START)
        self.flags = re.IGNORECASE if ignore_case else re.NOFLAG

    def search(self, text: str) -> re.Match[str] | None:
        """Return the first match in ``text``."""
        return _compiled(self.text, self.flags).search(text)


NOTICE = Expression(
    r"(?<![/\w.-])(?i:warn(?:ing)?|info|debug)\b(?![/\w=.-])|\w*Warning\b|(?:^|: )[WI] \S+\.cc:\d+\]|\b[WID]\d{4} "
)
"""What stands before a text that a program logs and goes on; the short forms are TensorFlow's."""


_MENTIONED = Expression(
    r"\braise\s+[A-Za-z_]|\bwarnings\.warn\(|\b\w*Warning: "
    r"|(?:^|[$#%>+|;] ?)(?:[efz]?grep|rg|ag|awk|jq|yq|findstr) "
    r"|^\s*(?:except|case)\b|\b(?:catch|throw) ?\(|\bfrom [\w.]+ import "
    r"|^(?!.*(?:[Ff]ail|[Ee]rror|ERROR|[Cc]rash|[Dd]ied)).*\b(?:[Ii]f|[Ww]hen|[Ii]n case|[Ii]nstead of|[Aa]void\w*|[Pp]revent\w*|[Ff]ix(?:es|ed)?)\b(?:(?!\.(?:\s|$))[^:;\n\r\\]){0,60}$"
)
"""Before a text that is code, a search, a warning or a hint: what it says did not happen, or was survived."""
_GOES_ON = Expression(
    r"(?<!not )\b(?i:retrying|retry (?:in )?\d|execution is retried|falling back|skipping|skipped|restarting it|respawning|replacing it|and replaced|trying (?!to\b))\b(?!.*\b(?:giving up|abort))"
)
"""In a text that says itself that the program handles it."""


def is_mention(text: str, at: int) -> bool:
    """Whether a line only mentions the failure that ``text`` holds at ``at``."""
    return _MENTIONED.search(text[: at + 1]) is not None


def is_handled(text: str, at: int) -> bool:
    """Whether a line says itself that the failure that ``text`` holds at ``at`` did not end the program."""
    return _GOES_ON.search(text[at:]) is not None


class Signature(NamedTuple):
    """One text that a crash leaves in a log."""

    name: str
    literals: tuple[str, ...]
    """One stands in every such line as it is, so that a log can be searched fast; several signatures share some."""
    pattern: Expression
    """With the named groups thread, errno and others that tell causes apart, where the text says them."""
    example: str
    """A line that it is the signature of."""
    benign: str
    """A line that reads like it and is no sign of a crash: a notice, an error that was handled, code, a setting."""
    errno: int | None = None
    signal: str | None = None
    """The signal that ends the process after this message."""
    causes: tuple[str, ...] = ()
    speaks_for: tuple[str, ...] = ()
    """Those of the causes that the text itself speaks for, short of proof."""
    names_its_cause: bool = False
    """Whether the line proves its one cause: it comes from the kernel, at the refusal itself."""
    is_secondary: bool = False
    """Whether it follows from an earlier failure, of this process or another, wherever there is one."""
    look_alikes: tuple[Expression, ...] = ()
    """A line that holds one of these is no crash: a notice, or an error that was handled."""
    at_any_level: bool = False
    """Whether it is a crash behind WARNING or INFO too: its writer knows no better level."""
    is_generic: bool = False
    """Whether it only says that something failed, not what: the exit status, an error of no known kind."""
    stops: bool = False
    """Whether it says that somebody or something ended a run that did not fail."""
    is_frame: bool = False
    """No sign of an end by itself: where in the code the error below it arose, or what still worked."""
    looks_above: bool = False
    """Whether it is a summary without an error of its own: that stands in a line above."""
    advice: str | None = None
    """The steps of `diagnosis.message_steps` that fit this very message."""
    steps: tuple[tuple[str, str | None], ...] = ()
    """Those that a user's own table gives: a text, and a command."""
    narrowed_by: Mapping[str, tuple[str, ...]] = {}
    """The causes that are left where the line, or the one below it, holds these words."""
    causes_in_frame: Mapping[str, tuple[str, ...]] = {}
    """The causes by the name of the frame, where one stands above the line."""
    needs_frame: bool = False
    """Whether the line is no crash where a traceback stands above it without one of those frames."""
    is_benign_at_end: bool = False
    """Whether it means nothing once the last fold is through: workers are killed as a run ends."""

    def is_look_alike(self, text: str, at: int, *, at_any_level: bool = False) -> bool:
        """Whether ``text``, which matches at ``at``, is a notice or what else is no crash."""
        if any(look_alike.search(text) for look_alike in self.look_alikes):
            return True
        if not self.is_frame and is_mention(text, at):
            return True
        if at_any_level or self.at_any_level or self.names_its_cause or self.is_frame:
            return False
        drawn = max(text.rfind("\r", 0, at), text.rfind("\b", 0, at)) + 1
        return NOTICE.search(text[drawn:at]) is not None
