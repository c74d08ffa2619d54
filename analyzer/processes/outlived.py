"""A failure that others outlived, and what is said below of who died of it.

Of several workers without a prefix one dies and the others go on, so their progress below its error says nothing
of it: once what started them says that one of them died so, the error is the root. A search that gives up
because its trials failed ended by the last of these, though it went on below each.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from analyzer.processes.announced_stops import BEGAN_ANEW
from analyzer.processes.root_sign import GAVE_UP, SUMMARY_LINES
from analyzer.signatures.search import ERROR_LINE, EXCEPTION
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.processes.process import Process
    from analyzer.signatures.search import SignatureMatch

SAME_EVENT_LINES = 10
"""Signs that stand no further apart are of one failure."""
_MEMBER = late_pattern(
    r"(?:\b|_)(?:worker|rank|process|child|replica|actor|tasks?)(?:[ _-](?:process|node|rank))?(?: with pid)?[ _#:=-]*['\"]?(?:\w*-)?\d",
    re.IGNORECASE,
)
"""In what is said of the death of one of several processes: which one."""
_GIVES_UP = late_pattern(r"\b(?:giving up|abort|cancel(?:l)?ing|shutting down|stopping)")
"""Below it the others say what they were about to say, and no more."""
_DIED = late_pattern(r"\b(?:died|crashed|exited|terminated)\b[^\n]*(?:code|status|[Ss]ignal)")
"""In an exception of what waits for others."""
_STATUS = late_pattern(r"(?:code|status|rc|signal)\b\W{0,3}?(-?\d{1,3})\b|\b(SIG[A-Z]+)\b")
_FIRST_SIGNAL = 128
"""An exit status above it is that of a shell: so much, and the signal."""


def restore_outlived(process: Process) -> None:
    """Take the failure that what ended the process tells of, where it is one below which others went on."""
    crash = process.crash
    if crash is None or not crash.is_generic:
        return
    found = max(_told(process, crash), key=lambda sign: sign.line or 0, default=None)
    if found is None:
        return
    begin = found.line or 0
    same = {
        name: sign
        for name, sign in process.recovered.items()
        if abs((sign.line or 0) - begin) <= SAME_EVENT_LINES and not sign.is_handled
    }
    process.recovered = {n: sign for n, sign in process.recovered.items() if n not in same}
    raised = process.last_handled
    if raised is not None and abs((raised.line or 0) - begin) <= SAME_EVENT_LINES:
        same[f"{EXCEPTION} {raised.line}"] = raised
        process.handled_exceptions, process.last_handled = process.handled_exceptions - 1, None
    process.matches = {**same, **process.matches}


def _told(process: Process, crash: SignatureMatch) -> Iterable[SignatureMatch]:
    """Return the failures that were survived and that what ended the process may tell of."""
    end, floor = crash.line or process.log_lines, process.frames.get(BEGAN_ANEW, 0)
    floor = max(floor, end - SUMMARY_LINES)
    known = [*process.recovered.values(), *filter(None, [process.last_handled])]
    own = [s for s in known if floor < (s.line or 0) <= end and not (s.is_handled or s.stops)]
    failures = [s for s in own if not s.is_secondary]
    if crash.signature in {EXCEPTION, ERROR_LINE} and not _is_of_member(crash):
        gave_up = GAVE_UP.search(crash.text) is not None
        return [sign for sign in failures if gave_up or sign.line == crash.line]
    told = [*process.matches.values(), *(s for s in own if _GIVES_UP.search(s.text))]
    return [
        sign
        for death in told
        if _is_of_member(death)
        for sign in failures
        if (sign.line or 0) < (death.line or end) and _is_of(sign, death)
    ]


def _is_of_member(death: SignatureMatch) -> bool:
    """Whether a sign says of one of several processes how it died, or with which signal whatever was started did."""
    is_summary = death.is_secondary or (death.signature == EXCEPTION and _DIED.search(death.text))
    if not (death.is_generic and is_summary):
        return False
    said = _STATUS.search(death.text)
    return bool(_MEMBER.search(death.text) or (said and (said[2] or _signal_name(said))))


def _is_of(sign: SignatureMatch, death: SignatureMatch) -> bool:
    """Whether a process with this failure ends with the status that is said."""
    said = _STATUS.search(death.text)
    if said is None:
        return True
    name = said[2] or _signal_name(said)
    if name is None:
        return sign.signal is None
    return name == sign.signal or (sign.signal is None and name not in {"SIGKILL", "SIGTERM"})


def _signal_name(said: re.Match[str]) -> str | None:
    """Return the signal that a status is of: ``-6``, ``134``, ``signal 6``; None for that of an exit."""
    number = int(said[1])
    if number > _FIRST_SIGNAL:
        number -= _FIRST_SIGNAL
    elif number > 0 and not said[0].startswith("signal"):
        return None
    known = {one.value: one.name for one in signal.Signals}
    return known.get(abs(number), "")
