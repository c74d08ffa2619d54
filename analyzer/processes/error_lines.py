"""The error of a run that no signature knows: a line that is written as an error, or an exit that a shell shows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from analyzer.logs.progress import ATTEMPT, find_progress
from analyzer.signatures.search import find_error_line, find_match, find_plain_error
from telemetry.late_pattern import late_pattern

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from analyzer.processes.last_lines import LastLine
    from analyzer.processes.process import Process

LAST_ERROR_LINES = 8
"""Of a log, in which a line that is written as an error is what ended it."""
ERROR_ABOVE = 40
"""Lines above a summary in which the error that it sums up is looked for."""
PLAIN_ABOVE = 12
"""Lines above a summary in which an error is looked for that is not written as one."""
_ASKED = late_pattern(r"(?:^|[$#%>+] *)echo \$(?:\?|status|\{?PIPESTATUS\S*)\s*$")
_ASKED_OOM = late_pattern(r"\b(?:inspect|describe|get)\b.*\.OOMKilled\s*\}\}")
_OOM_KILLED = late_pattern(r"^(?:[1-9]\d{0,2}\s+)?true\b(?!\s+0\b)")
_PROMPT = late_pattern(r"^(?:\S{0,60}[$#%>]|\[[^\]]{1,60}\][$#%]|\++) \S")
"""A command as a shell shows it."""


def note_error_line(
    process: Process, ends: Mapping[str | None, Sequence[LastLine]], taken: Collection[int | None]
) -> None:
    """Add the line that is written as an error, where no signature says what failed.

    It stands among the last lines, or above the summary of a launcher, which may be another writer.

    Args:
        process: The process, with the signs that are known of it.
        ends: The last lines of the log, by writer.
        taken: Lines that are signs of any process: the error of another is not this one's as well.
    """
    if process.crash is None and process.finished_by is None:
        _note_shown_end(process)
    crash = process.crash
    if crash is not None and not crash.looks_above:
        return
    if crash is None:
        lines = [(one.line, one.text) for one in _below_all(process)[-LAST_ERROR_LINES:]]
        found = None if process.finished_by else find_error_line(lines)
    else:
        near = (one for own in ends.values() for one in own)
        below = crash.line or process.log_lines
        lines = sorted(
            (one.line, one.text) for one in near if below - ERROR_ABOVE <= one.line < below
        )
        plain = [one for one in lines if below - PLAIN_ABOVE <= one[0]]
        found = find_error_line(lines) or find_plain_error(_below_progress(plain))
    if found is not None and found.line not in taken:
        process.note_match(found)


def _note_shown_end(process: Process) -> None:
    """Add what a person asked for after the run, in the line below: ``echo $?``, or whether it was OOM-killed."""
    command = ""
    for asked, answer in pairwise(process.last_lines):
        status, said = answer.text.strip(), ""
        if answer.line == asked.line + 1:
            if _ASKED.search(asked.text) and status.isdigit() and _begins_run(command):
                said = f"exited with code {status}"
            elif _ASKED_OOM.search(asked.text) and _OOM_KILLED.search(status):
                said = "OOMKilled: true"
        if said and (sign := find_match(said, line=answer.line)):
            process.note_match(sign._replace(text=f"{asked.text.strip()}: {status}"))
        if _PROMPT.search(asked.text):
            command = asked.text


def _begins_run(command: str) -> bool:
    """Whether a shell's command, the last above a question for its exit status, is the run, or none is seen."""
    return not command or ATTEMPT.search(command.encode()) is not None


def _below_all(process: Process) -> Sequence[LastLine]:
    """Return its last lines below its last reading, what it survived and its last sign of progress."""
    known = [sign.line or 0 for sign in process.recovered.values()]
    known += [process.last_handled.line or 0] if process.last_handled else []
    floor = max(known, default=0)
    if process.checkpoints:
        floor = max(floor, process.checkpoints.lines[-1])
    last = [one for one in process.last_lines if one.line > floor]
    return last[_begin_below([one.text for one in last]) :]


def _below_progress(lines: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """Return those of the numbered lines that stand below the last sign of progress, without commands."""
    begin = _begin_below([text for _, text in lines])
    return [one for one in lines[begin:] if not _PROMPT.search(one[1])]


def _begin_below(lines: Sequence[str]) -> int:
    """Return the place below the last of the lines that is a sign of progress."""
    for number in range(len(lines) - 1, -1, -1):
        text = lines[number].encode()
        if find_progress(text, 0, len(text)) is not None:
            return number + 1
    return 0
