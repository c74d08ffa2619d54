"""A stop that a scheduler announced, below which the program still said something before it was killed.

Slurm sends SIGTERM at the time limit and SIGKILL 30 s later (KillWait), Kubernetes after the grace period: a
program that catches the first goes on meanwhile, and the kill below is of the stop.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.logs.progress import ATTEMPT, RESTARTED

if TYPE_CHECKING:
    from analyzer.processes.process import Process
    from analyzer.signatures.search import SignatureMatch

GRACE_LINES = 100
"""What a program says between the announcement and the kill, at most."""
BEGAN_ANEW = "began_anew"
_BY_SIGTERM = re.compile(r"\b143\b|\bTerminated\b")


def note_restart(process: Process) -> None:
    """Take it that a process begins anew: what was announced above ended the attempt before."""
    process.frames[BEGAN_ANEW] = max((one.line or 0 for one in process.matches.values()), default=0)


def restore_announced(process: Process) -> None:
    """Take the stop that was announced for the end of the process, where a kill follows it and no new attempt."""
    floor = process.frames.get(BEGAN_ANEW, 0)
    stops = [
        sign
        for sign in process.recovered.values()
        if _is_announcement(sign) and (sign.line or 0) > floor and _is_executed(sign, process)
    ]
    stop = min(stops, key=lambda sign: sign.line or 0, default=None)
    if stop is not None:
        begin = stop.line or 0
        process.recovered = {
            name: sign
            for name, sign in process.recovered.items()
            if not (sign.stops and (sign.line or 0) >= begin)
        }
        process.matches = {stop.signature: stop, **process.matches}


def _is_announcement(sign: SignatureMatch) -> bool:
    """Whether a sign says that somebody will end the process; a person's Ctrl-C announces no kill."""
    return sign.stops and not sign.is_secondary and sign.signal != "SIGINT"


def _is_executed(stop: SignatureMatch, process: Process) -> bool:
    begin = stop.line or 0
    ends = [sign.line or 0 for sign in process.matches.values() if _is_kill(sign)]
    if not any(0 < line - begin <= GRACE_LINES for line in ends):
        return False
    between = (one.text.encode() for one in process.last_lines if begin < one.line < min(ends))
    return not any(RESTARTED.search(text) or ATTEMPT.search(text) for text in between)


def _is_kill(sign: SignatureMatch) -> bool:
    """Whether a sign says that a process was killed, and not why."""
    by_signal = sign.signal in {"SIGKILL", "SIGTERM"} or _BY_SIGTERM.search(sign.text) is not None
    return sign.is_secondary and by_signal
