"""Steps against a failure that no limit is behind: where the error is, or who ended the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.signatures.signature import Expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.diagnosis.message_steps import Step
    from analyzer.signatures.search import SignatureMatch

_IN_NATIVE_CODE = Expression(
    r"segmentation fault|core dumped|\bSIG(?:SEGV|ABRT|BUS|ILL|FPE)\b|\bsignal:? (?:4|6|7|8|11)\b|double free"
    r"|corrupt(?:ion|ed) |illegal instruction|fatal python error|\baborted\b",
    ignore_case=True,
)
"""Of a sign's text, and of its signal: the program itself failed, below Python."""
_NATIVE: Step = (
    "get the stack of the crash, which names the library: the error is in native code",
    "PYTHONFAULTHANDLER=1; coredumpctl gdb",
)
_ASKED_TO_END = Expression(r"\bSIG(?:TERM|INT|HUP)\b|\bTerminated\b|\bHangup\b")
_WHO_KILLED: Step = (
    (
        "find who sent SIGKILL, as no OOM kill was counted: an eviction, a scheduler, a supervisor's time-out, a"
        " person, or systemd-oomd and earlyoom"
    ),
    "journalctl --since '1 hour ago' | grep -iE 'kill|oom'; kubectl describe pod; sacct -j JOB",
)
_WHO_ENDED: Step = (
    "find who ended it, a person, a time-out or the scheduler; then resume from the last checkpoint",
    None,
)
_ABOVE: Step = (
    "look for the error itself in the output of the command that failed: this only reports its exit status",
    None,
)
_NO_LIMIT = "other limits, more memory or isolation will not mend it"


def failure_steps(signs: Sequence[SignatureMatch]) -> Iterator[Step]:
    """Give the first step after a failure that is of no limit, by what its signs are."""
    frame = next((sign.details["frame"] for sign in signs if "frame" in sign.details), None)
    if any(sign.stops or _ASKED_TO_END.search(f"{sign.signal} {sign.text}") for sign in signs):
        yield _WHO_ENDED
    elif any(sign.signal == "SIGKILL" for sign in signs):
        yield _WHO_KILLED
    elif frame is not None:
        yield f"look where it was raised, {frame}: {_NO_LIMIT}", None
    elif any(_IN_NATIVE_CODE.search(f"{sign.signal} {sign.text}") for sign in signs):
        yield _NATIVE
    elif any(sign.looks_above or sign.signature == "exited" for sign in signs):
        yield _ABOVE
    elif signs:
        yield f"start from its message: {_NO_LIMIT}", None
