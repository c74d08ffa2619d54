"""The table of signatures, and the search of a line for them.

A message never proves a cause: only the kernel's own lines name one. The lines of a traceback above a
match may change what it means.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analyzer.signatures.forks import FORK_SIGNATURES
from analyzer.signatures.launchers import LAUNCHER_SIGNATURES
from analyzer.signatures.memory import MEMORY_SIGNATURES
from analyzer.signatures.signature import CAUSES, KILLED, TASK_OR_MEMORY, Signature
from analyzer.signatures.tasks import TASK_SIGNATURES

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

__all__ = [
    "CAUSES",
    "CAUSES_OF_SIGNAL",
    "LITERALS",
    "SIGNATURES",
    "TASK_OR_MEMORY",
    "Signature",
    "SignatureMatch",
    "find_match",
    "find_matches",
    "in_its_frame",
    "is_in_traceback",
]

SIGNATURES: tuple[Signature, ...] = (
    *TASK_SIGNATURES,
    *FORK_SIGNATURES,
    *MEMORY_SIGNATURES,
    *LAUNCHER_SIGNATURES,
)
LITERALS = tuple(dict.fromkeys(signature.literal for signature in SIGNATURES))
"""What to search a log for; a line with none of them holds no sign."""
BY_NAME: Mapping[str, Signature] = {signature.name: signature for signature in SIGNATURES}

CAUSES_OF_SIGNAL = {
    "SIGKILL": KILLED,
    "SIGABRT": (*TASK_OR_MEMORY, "not_a_limit"),
    "SIGBUS": ("shared_memory", "not_a_limit"),
}
"""What may stand behind a signal that ended a process with no message in its log."""

FRAME_LINES = 60
"""A traceback is no longer: a frame further above belongs to another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureMatch:
    """The sign of a crash, as found; a field is None where the log does not say it."""

    signature: str
    line: int | None
    text: str
    thread: str | None = None
    errno: int | None = None
    signal: str | None = None
    last_label: str | None = None
    seconds_after_last_sample: float | None = None
    causes: tuple[str, ...] = ()
    """The candidates that such a sign can have."""
    speaks_for: tuple[str, ...] = ()
    """Those that the text itself speaks for, short of proof."""
    names_its_cause: bool = False
    is_secondary: bool = False
    """Whether it follows from an earlier failure wherever there is one: then that is the root."""
    is_frame: bool = False
    """Whether it is no sign by itself, only a place in the code: see `in_its_frame`."""
    is_benign_at_end: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    """What else the text says: soft and hard limit, cgroup, pid, bytes, threads."""


def find_matches(text: str, *, line: int) -> list[SignatureMatch]:
    """Return the frames of a traceback that ``text`` holds, and last the sign of a crash, if any.

    A traceback stands in one line where a collector made JSON of it.
    """
    found = []
    for signature in SIGNATURES:
        if signature.literal not in text or not (match := signature.pattern.search(text)):
            continue
        if signature.is_look_alike(text, match.start()):
            continue
        found.append(_crash(signature, match, line))
        if not signature.is_frame:
            break
    return found


def find_match(text: str, *, line: int) -> SignatureMatch | None:
    """Return the sign of a crash that ``text`` holds, if any."""
    return next((sign for sign in find_matches(text, line=line) if not sign.is_frame), None)


def _crash(signature: Signature, match: re.Match[str], line: int) -> SignatureMatch:
    details = {name: value for name, value in match.groupdict().items() if value is not None}
    errno, thread = details.pop("errno", None), details.pop("thread", None)
    return SignatureMatch(
        signature=signature.name,
        line=line,
        text=match.string.strip(),
        thread=thread,
        errno=signature.errno if errno is None else int(errno),
        signal=signature.signal,
        causes=signature.causes,
        speaks_for=signature.speaks_for,
        names_its_cause=signature.names_its_cause,
        is_secondary=signature.is_secondary,
        is_frame=signature.is_frame,
        is_benign_at_end=signature.is_benign_at_end,
        details=details,
    )


def in_its_frame(crash: SignatureMatch, frames: Mapping[str, int]) -> SignatureMatch | None:
    """Return ``crash`` with the causes that it has in its frame; None where it is none there.

    ``frames`` holds the last line of each frame of the same process by name. EAGAIN from os.fork()
    is a limit; from a pipe, a lock or sendfile() it is input that is not ready.
    """
    signature = BY_NAME.get(crash.signature)
    if signature is None or crash.line is None or not (signature.causes_in_frame):
        return crash
    begun = frames.get("traceback", 0)
    is_below = is_in_traceback(crash, frames)
    for name, causes in signature.causes_in_frame.items():
        at = frames.get(name, 0)
        if at > 0 and crash.line - at <= FRAME_LINES and at >= (begun if is_below else 0):
            return replace(crash, causes=causes)
    return None if signature.needs_frame and is_below else crash


def is_in_traceback(crash: SignatureMatch, frames: Mapping[str, int]) -> bool:
    """Whether a traceback begins in the lines above ``crash``."""
    begun = frames.get("traceback", 0)
    return crash.line is not None and begun > 0 and 0 <= crash.line - begun <= FRAME_LINES
