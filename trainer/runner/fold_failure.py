"""How a fold ended that left no result: typed, with the analyzer's diagnosis.

Owns failure.json. The analyzer reads the journal and the output as it would afterwards; the counters
that make a cause certain were read at the death, and stand in the journal's last record.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.pipeline import analyze
from analyzer.signatures.signature import MEMORY
from telemetry.thread_line import clean_label
from trainer.process.output_follower import printable
from trainer.run.fold_result import SCHEMA, write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.result import Finding
    from trainer.process.launcher import ExitStatus

FAILURE = "failure.json"
TAIL_LINES = 20
TAIL_BYTES = 16384
TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFailure:
    """What is known of the end of a fold without a result."""

    fold: int
    outcome: str
    """exception, exit code, signal, out of memory (for certain), no result, timeout, interrupted, not
    reached, refused or not started."""
    exit_code: int | None
    """As the shell says it: 128 + N for signal N. None where no process was started."""
    signal: str | None
    reason: str
    """What happened, in one line."""
    root_cause: str
    """Why, as far as the evidence goes, in one line."""
    causes: tuple[Cause, ...] = ()
    signature: str | None = None
    """The analyzer's name of the message that the crash left."""
    stderr_tail: tuple[str, ...] = ()
    """The last lines of its output."""
    processes_left: int = 0
    """Processes that SIGKILL did not end within the time that was given to it."""
    seconds: float

    def write(self, directory: str) -> None:
        """Write failure.json into the fold's directory. Raises OSError."""
        os.makedirs(directory, exist_ok=True)
        causes = [
            {"cause": cause.cause, "standing": cause.confidence, "evidence": cause.evidence}
            for cause in self.causes
        ]
        content = {"schema": SCHEMA} | asdict(self) | {"causes": causes}
        write_whole(os.path.join(directory, FAILURE), json.dumps(content, indent=2) + "\n")


def not_run(fold: int, outcome: str, reason: str) -> FoldFailure:
    """Return the failure of a fold that no process was started for, or that none came to."""
    return FoldFailure(
        fold=fold,
        outcome=outcome,
        exit_code=None,
        signal=None,
        reason=reason,
        root_cause=reason,
        seconds=0.0,
    )


def explain(  # noqa: PLR0913 - what is known of an end, each a word of its own
    fold: int,
    status: ExitStatus,
    *,
    fold_dir: str,
    pid: int,
    end_reason: str | None,
    seconds: float,
) -> FoldFailure:
    """Put together what the process left in ``fold_dir``; ``end_reason`` is why the runner ended it."""
    lines = last_lines(os.path.join(fold_dir, "output.log"))
    last_line = clean_label(_last_words(lines)) if lines else "it wrote nothing"
    if end_reason is not None:
        outcome, reason = end_reason.split(":", 1)[0], end_reason
    elif status.signal is not None:
        outcome, reason = "signal", f"ended by {status.signal}; last line: {last_line}"
    elif status.exit_code == 0:
        outcome, reason = "no result", "exited with 0 and left no result.json"
    else:
        outcome = "exception" if TRACEBACK in lines else "exit code"
        reason = f"exited with {status.exit_code}; last line: {last_line}"
    finding = None if outcome == "interrupted" else _diagnosis(fold_dir, pid)
    causes = () if finding is None else finding.causes
    if any(cause.confidence == Confidence.CERTAIN and cause.cause in MEMORY for cause in causes):
        outcome = "out of memory"
    crash = None if finding is None else finding.process.crash
    return FoldFailure(
        fold=fold,
        outcome=outcome,
        exit_code=status.exit_code,
        signal=status.signal,
        reason=reason,
        root_cause=_root_cause(causes, reason, last_line),
        causes=causes,
        signature=None if crash is None else crash.signature,
        stderr_tail=tuple(lines[-TAIL_LINES:]),
        processes_left=status.left,
        seconds=seconds,
    )


def _root_cause(causes: Sequence[Cause], reason: str, last_line: str) -> str:
    """Name what the evidence speaks for; where it speaks for nothing, say what was last written."""
    named = [
        cause for cause in causes if cause.confidence in {Confidence.CERTAIN, Confidence.LIKELY}
    ]
    if not named or named[0].cause == "not_a_limit":
        return reason
    words = "; ".join(
        f"{cause.cause} ({cause.confidence}): {', '.join(cause.evidence[:1])}"
        for cause in named[:2]
    )
    return f"{words}; last line: {last_line}"


def _diagnosis(fold_dir: str, pid: int) -> Finding | None:
    try:
        findings = analyze([fold_dir]).findings
    except Exception:  # noqa: BLE001 - a failure is recorded whatever there is to read, or is not
        return None
    own = [finding for finding in findings if finding.process.pid == pid]
    return next((finding for finding in (*own, *findings) if finding.process.crash), None)


def _last_words(lines: Sequence[str]) -> str:
    """Return the last line; with that of the exception before it where its message has several."""
    begun = max((at for at, line in enumerate(lines) if line == TRACEBACK), default=len(lines))
    raised = next((line for line in lines[begun + 1 :] if not line.startswith(" ")), lines[-1])
    return lines[-1] if raised == lines[-1] else f"{raised} ... {lines[-1]}"


def last_lines(path: str) -> list[str]:
    """Return the last lines that a process wrote, cleaned for a terminal; empty for none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [printable(line) for line in text.replace("\r", "\n").split("\n")]
    return [line for line in lines if line]
