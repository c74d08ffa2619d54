"""The table of signatures, and the search of a line for them.

A message never proves a cause: only the kernel's own lines name one. The lines of a traceback above a
match may change what it means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.signatures.batch_systems import BATCH_SIGNATURES
from analyzer.signatures.ci import CI_SIGNATURES
from analyzer.signatures.endings import ENDING_SIGNATURES
from analyzer.signatures.engines import ENGINE_SIGNATURES
from analyzer.signatures.files import FILE_SIGNATURES
from analyzer.signatures.forks import FORK_SIGNATURES
from analyzer.signatures.general import GENERAL_SIGNATURES
from analyzer.signatures.gpu import GPU_SIGNATURES
from analyzer.signatures.killers import KILLER_SIGNATURES
from analyzer.signatures.launchers import LAUNCHER_SIGNATURES
from analyzer.signatures.memory import MEMORY_SIGNATURES
from analyzer.signatures.notebooks import NOTEBOOK_SIGNATURES
from analyzer.signatures.platforms import PLATFORM_SIGNATURES
from analyzer.signatures.runtimes import RUNTIME_SIGNATURES
from analyzer.signatures.servers import SERVER_SIGNATURES
from analyzer.signatures.signature import (
    CAUSES,
    KILLED,
    NOT_A_LIMIT,
    TASK_OR_MEMORY,
    Expression,
    Signature,
    is_handled,
    is_mention,
)
from analyzer.signatures.stops import STOP_SIGNATURES
from analyzer.signatures.supervisors import SUPERVISOR_SIGNATURES
from analyzer.signatures.tasks import TASK_SIGNATURES
from analyzer.signatures.tracebacks import without_ignored
from telemetry.late_pattern import late_pattern
from telemetry.masking import mask_forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer.signatures.tracebacks import LoggedException

__all__ = [
    "CAUSES",
    "CAUSES_OF_SIGNAL",
    "ERROR_LINE",
    "EXCEPTION",
    "LITERALS",
    "SIGNATURES",
    "TASK_OR_MEMORY",
    "Signature",
    "SignatureMatch",
    "SignatureTable",
    "exception_match",
    "find_match",
    "find_matches",
    "in_its_frame",
    "is_in_traceback",
]

SIGNATURES: tuple[Signature, ...] = (
    *RUNTIME_SIGNATURES,
    *SERVER_SIGNATURES,
    *TASK_SIGNATURES,
    *FORK_SIGNATURES,
    *FILE_SIGNATURES,
    *GPU_SIGNATURES,
    *MEMORY_SIGNATURES,
    *ENGINE_SIGNATURES,
    *BATCH_SIGNATURES,
    *KILLER_SIGNATURES,
    *NOTEBOOK_SIGNATURES,
    *GENERAL_SIGNATURES,
    *CI_SIGNATURES,
    *STOP_SIGNATURES,
    *PLATFORM_SIGNATURES,
    *SUPERVISOR_SIGNATURES,
    *LAUNCHER_SIGNATURES,
    *ENDING_SIGNATURES,
)
ERROR_LINE = "error_line"
"""The signature of a line that is written as an error, and of which no more is known."""
BY_NAME: Mapping[str, Signature] = {signature.name: signature for signature in SIGNATURES}

CAUSES_OF_SIGNAL = {
    "SIGKILL": KILLED,
    "SIGABRT": (*TASK_OR_MEMORY, "not_a_limit"),
    "SIGBUS": ("shared_memory", "not_a_limit"),
}
"""What may stand behind a signal that ended a process with no message in its log."""

FRAME_LINES = 60
"""A traceback is no longer: a frame further above belongs to another one."""


class SignatureMatch(NamedTuple):
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
    is_generic: bool = False
    """Whether it only says that something failed: a sign that says what comes before it."""
    looks_above: bool = False
    """Whether it is a summary: the error itself stands above it."""
    advice: str | None = None
    """The steps that fit this very message, by name."""
    steps: tuple[tuple[str, str | None], ...] = ()
    """Those that a user's own table gives."""
    stops: bool = False
    """Whether somebody or something ended a run that did not fail."""
    is_frame: bool = False
    """Whether it is no sign by itself, only a place in the code: see `in_its_frame`."""
    is_benign_at_end: bool = False
    is_handled: bool = False
    """Whether the line says itself that the program goes on: it is survived at once."""
    details: Mapping[str, str] = {}
    """What else the text says: soft and hard limit, cgroup, pid, bytes, threads."""


EXCEPTION = "python_exception"
"""The signature of an exception that ended a traceback, whatever it is."""
INTERRUPTIONS = ("KeyboardInterrupt", "SignalException", "SIGTERMException")
"""Exceptions that a signal from outside raises; the last two are torchrun's and Lightning's."""


def exception_match(
    exception: LoggedException, *, line: int, known: SignatureMatch | None = None
) -> SignatureMatch:
    """Return the sign that an exception is; the signature that ``known`` is of may know it better."""
    details = {} if exception.frame is None else {"frame": exception.frame}
    if known is not None:
        details["known_as"] = known.signature
    if exception.is_chained:
        details["is_chained"] = "yes"
    stops = exception.name in INTERRUPTIONS
    return SignatureMatch(
        signature=EXCEPTION,
        line=line,
        text=mask_forms(exception.text),
        causes=("interrupted",) if stops else (NOT_A_LIMIT,),
        is_generic=True,
        stops=stops,
        details=details,
    )


def raised_match(facts: Mapping[str, Any]) -> SignatureMatch:
    """Return the sign that an exception is which the process itself recorded as it ended."""
    name, message = (str(facts.get(key) or "") for key in ("exception", "message"))
    text = mask_forms(f"{name}: {message}" if message else name)
    known = find_match(text, line=0, at_any_level=True)
    if known is not None:
        return known._replace(line=None)
    return SignatureMatch(
        signature=EXCEPTION,
        line=None,
        text=text,
        causes=(NOT_A_LIMIT,),
        is_generic=True,
        stops=name in INTERRUPTIONS,
        details={"frame": str(facts["frame"])} if facts.get("frame") else {},
    )


_WRITTEN_AS_ERROR = late_pattern(
    r"(?:^|[\s\[|(])(?:ERROR|FATAL|CRITICAL|SEVERE|FAILED)\b(?![^\n]{0,20}\b0 )"
    r"|(?:^|[\s:])(?:[Ff]atal(?: error)?|[Ee]rror|panic)(?: in [^\n:]{1,80})?: (?!-?[\d.]+\b)\S"
    r"|: (?:fatal )?error(?: [A-Z]{2,6}\d{2,5})? ?: \S"
    r"|^Error in rule \w+:\s*$|^(?:\w+\.)*\w+(?:Error|Exception): (?!-?\d+\.\d|(?:on|off|true|false|none)\b)\S"
    r"|^\s*(?:Killed|Terminated|Aborted|Segmentation fault|Bus error)(?: \(core dumped\))?\s*$"
)
_SAYS_WHAT_IS_WRONG = late_pattern(
    r"\b(?:could not|cannot|can't|unable to|failed to|invalid|unknown|unrecognized|unexpected|unsupported|missing|no such|not found"
    r"|is not (?:in|an?|one of|defined|valid|supported|allowed)|(?:does|do) not (?:exist|match)|denied|must be|is required|mismatch"
    r"|already exists|refused|out of range)\b",
    re.IGNORECASE,
)
"""In a line that is not written as an error: what a program says that gives up without a traceback."""
_NO_ERROR = late_pattern(
    r"\b(?:no|0|zero|without)\b[^\n]{0,12}\berrors?\b|error[_ ](?:rate|bar)|^(?:wandb: |\(autoscaler )",
    re.IGNORECASE,
)
_LOWER_LEVEL = Expression(
    r"\b(?:DEBUG|TRACE|WARN(?:ING)?)\b|\bINFO\b.*[a-z]{3}|^\s*(?:\[[WID] |[WID]\d{4} )"
)
"""Before what is written as an error: its line is of another level. Behind INFO a runner may log what its child writes."""


def _is_error(text: str) -> bool:
    match = _WRITTEN_AS_ERROR.search(text)
    if match is None or _NO_ERROR.search(text):
        return False
    at = match.start()
    return not (_LOWER_LEVEL.search(text[:at]) or is_mention(text, at) or is_handled(text, at))


def find_error_line(lines: Iterable[tuple[int, str]]) -> SignatureMatch | None:
    """Return the sign that the last of the numbered ``lines`` that is written as an error is."""
    for line, text in reversed([*without_ignored(lines)]):
        if _is_error(text):
            return _error_match(line, text)
    return None


def find_plain_error(lines: Iterable[tuple[int, str]]) -> SignatureMatch | None:
    """Return the sign that the last of the numbered ``lines`` that says that something is wrong is.

    It stands directly above the exit status of a program that printed no traceback.
    """
    for line, text in reversed([*lines]):
        match = _SAYS_WHAT_IS_WRONG.search(text)
        if match is None or _NO_ERROR.search(text) or is_handled(text, 0):
            continue
        if not (_LOWER_LEVEL.search(text[: match.start()]) or is_mention(text, match.start())):
            return _error_match(line, text)
    return None


def _error_match(line: int, text: str) -> SignatureMatch:
    return SignatureMatch(
        signature=ERROR_LINE,
        line=line,
        text=mask_forms(text.strip()),
        causes=(NOT_A_LIMIT,),
        is_generic=True,
    )


class SignatureTable:
    """Signatures in the order in which they are tried: a user's own, then the built-in ones."""

    def __init__(self, own: Sequence[Signature] = ()) -> None:
        self.rows = (*own, *SIGNATURES)
        self.literals = tuple(dict.fromkeys(text for one in self.rows for text in one.literals))
        """What to search a log for; a line with none of them holds no sign."""

    def find_matches(
        self, text: str, *, line: int, at_any_level: bool = False
    ) -> list[SignatureMatch]:
        """Return the frames of a traceback that ``text`` holds, and last the sign of a failure, if any.

        A traceback stands in one line where a collector made JSON of it. ``at_any_level`` believes a line
        whatever level a logger put in front of it, even if it says that the failure was handled.
        """
        found = []
        for signature in self.rows:
            for literal in signature.literals:
                if literal in text:
                    break
            else:
                continue
            if (match := signature.pattern.search(text)) is None:
                continue
            if signature.is_look_alike(text, match.start(), at_any_level=at_any_level):
                continue
            goes_on = not at_any_level and is_handled(text, match.start())
            found.append(_crash(signature, match, line, is_handled=goes_on))
            if not signature.is_frame:
                break
        return found

    def find_match(
        self, text: str, *, line: int, at_any_level: bool = False
    ) -> SignatureMatch | None:
        """Return the sign of a crash that ``text`` holds, if any."""
        found = self.find_matches(text, line=line, at_any_level=at_any_level)
        return next((sign for sign in found if not (sign.is_frame or sign.is_handled)), None)

    def is_found(self, signature: Signature, text: str) -> bool:
        """Whether ``text`` is taken for ``signature``: its example should be, its benign line should not."""
        found = self.find_matches(text, line=0)
        return any(one.signature == signature.name and not one.is_handled for one in found)


BUILT_IN = SignatureTable()
LITERALS = BUILT_IN.literals
find_match, find_matches = BUILT_IN.find_match, BUILT_IN.find_matches


def _crash(
    signature: Signature, match: re.Match[str], line: int, *, is_handled: bool
) -> SignatureMatch:
    causes = signature.causes
    for words, left in signature.narrowed_by.items():
        if words in match.string:
            causes = left
    details = {name: value for name, value in match.groupdict().items() if value is not None}
    errno, thread = details.pop("errno", None), details.pop("thread", None)
    return SignatureMatch(
        signature=signature.name,
        line=line,
        text=mask_forms(match.string.strip()),
        thread=thread,
        errno=signature.errno if errno is None else int(errno),
        signal=signature.signal,
        causes=causes,
        speaks_for=signature.speaks_for,
        names_its_cause=signature.names_its_cause,
        is_secondary=signature.is_secondary,
        is_generic=signature.is_generic,
        looks_above=signature.looks_above,
        advice=signature.advice,
        steps=signature.steps,
        stops=signature.stops,
        is_frame=signature.is_frame,
        is_benign_at_end=signature.is_benign_at_end,
        is_handled=is_handled,
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
            return crash._replace(causes=causes)
    return None if signature.needs_frame and is_below else crash


def is_in_traceback(crash: SignatureMatch, frames: Mapping[str, int]) -> bool:
    """Whether a traceback begins in the lines above ``crash``."""
    begun = frames.get("traceback", 0)
    return crash.line is not None and begun > 0 and 0 <= crash.line - begun <= FRAME_LINES
