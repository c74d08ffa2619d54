"""How a fold ended that left no result: its outcome, and the analyzer's diagnosis, in ``failure.json``.

The diagnosis is the one that ``foldwatch analyze`` gives afterwards, from the journal and the output. The
counters that make a cause certain were read when the process died; they are in the journal's last record.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from analyzer.diagnosis.causes import Cause
from analyzer.diagnosis.confidence import Confidence
from analyzer.formatting import safe
from analyzer.pipeline import analyze
from analyzer.signatures.signature import MEMORY, NOT_A_LIMIT
from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.run_layout import FAILURE, LARGEST_BYTES, OUTPUT
from telemetry.masking import mask_forms
from trainer.agent.exit_code import ExitCode
from trainer.process.output_follower import printable
from trainer.run.durable_files import write_whole
from trainer.run.fold_result import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.result import Finding
    from trainer.process.launcher import ExitStatus

TAIL_LINES = 20
TAIL_BYTES = 16384
_FOUNDED = {Confidence.CERTAIN, Confidence.LIKELY}
LAST_LINE_SHOWN = 300
"""Characters; all of it is in ``stderr_tail``."""
TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFailure:
    """How a fold without a result ended."""

    fold: int
    outcome: str
    """exception, exit code, signal, out of memory (for certain), no result, timeout, interrupted, not
    reached, refused or not started."""
    exit_code: int | None
    """As in a shell: 128 + N for signal N. None if no process was started."""
    signal: str | None
    reason: str
    """The event that ended it, in one line."""
    root_cause: str
    """Why, as far as the evidence goes, in one line."""
    causes: tuple[Cause, ...] = ()
    signature: str | None = None
    """The analyzer's name for the crash message."""
    stderr_tail: tuple[str, ...] = ()
    """The last lines of its output."""
    processes_left: int = 0
    """Processes that SIGKILL did not end in time, e.g. in an uninterruptible wait."""
    seconds: float

    attempt: str = ""
    """The token of the lease under which the fold ran; empty for one that was never begun."""

    @property
    def is_of_a_limit(self) -> bool:
        """Whether a limit has ended it, as far as the evidence goes."""
        return any(
            cause.confidence in _FOUNDED and cause.cause != NOT_A_LIMIT for cause in self.causes[:1]
        )

    @property
    def agent_exit_code(self) -> ExitCode:
        """What a scheduler is told of it."""
        if self.outcome == "interrupted":
            return ExitCode.STOPPED
        if self.outcome in {"refused", "not started"}:
            return ExitCode.NOT_STARTED
        is_of_a_limit = self.outcome == "timeout" or self.is_of_a_limit
        return ExitCode.LIMIT if is_of_a_limit else ExitCode.FAILED

    def as_json(self) -> dict[str, Any]:
        """Return it as failure.json has it."""
        causes = [
            {"cause": cause.cause, "standing": cause.confidence, "evidence": cause.evidence}
            for cause in self.causes
        ]
        return {"schema": SCHEMA} | asdict(self) | {"causes": causes}

    def write(self, directory: str) -> None:
        """Write failure.json into the fold's directory. Raises OSError."""
        make_fold_folder(directory)
        write_whole(os.path.join(directory, FAILURE), json.dumps(self.as_json(), indent=2) + "\n")


def read_failure(path: str) -> FoldFailure | None:
    """Return the failure at ``path``, or None if it is absent, not whole, or of values that no fold leaves."""
    try:
        with open_regular(path) as file:
            return failure_of(typed.load(file.read(LARGEST_BYTES)))
    except (OSError, ValueError):
        return None


def failure_of(content: Mapping[str, object]) -> FoldFailure:
    """Return what `FoldFailure.as_json` has made. Raises ValueError."""
    if content.get("schema") != SCHEMA:
        raise ValueError("another schema")
    try:
        known = typed.fields_of(content, _CHECKS)
        return FoldFailure(**{"exit_code": None, "signal": None} | known)
    except TypeError as error:  # a field is missing
        raise ValueError(str(error)) from error


def _cause(name: str, value: object) -> Cause:
    content = typed.mapping(name, value)
    cause, standing = (typed.text(key, content.get(key)) for key in ("cause", "standing"))
    evidence = typed.tuple_of(typed.text)("evidence", content.get("evidence"))
    return Cause(cause, Confidence(standing), evidence)


_CHECKS: Mapping[str, typed.Check] = {
    "fold": typed.whole,
    "exit_code": typed.exit_code,
    **dict.fromkeys(
        ("outcome", "signal", "reason", "root_cause", "signature", "attempt"), typed.text
    ),
    "causes": typed.tuple_of(_cause),
    "stderr_tail": typed.tuple_of(typed.text),
    "processes_left": typed.whole,
    "seconds": typed.seconds,
}


def not_run(fold: int, outcome: str, reason: str) -> FoldFailure:
    """Return the failure of a fold that was never started or never reached."""
    return FoldFailure(
        fold=fold,
        outcome=outcome,
        exit_code=None,
        signal=None,
        reason=reason,
        root_cause=reason,
        seconds=0.0,
    )


def explain(  # noqa: PLR0913 - each argument is another fact about the end
    fold: int,
    status: ExitStatus | None,
    *,
    fold_dir: str,
    pid: int,
    end_reason: str | None,
    seconds: float,
    attempt: str,
) -> FoldFailure:
    """Explain the end of a process by the files in ``fold_dir``.

    ``status`` is how it ended, None if nobody can tell; ``end_reason`` is why the runner ended it.
    """
    lines = [mask_forms(line) for line in last_lines(os.path.join(fold_dir, OUTPUT))]
    last_line = safe(_last_message(lines), longest=LAST_LINE_SHOWN) if lines else "it wrote nothing"
    if end_reason is not None:
        outcome, reason = end_reason.split(":", 1)[0], end_reason
    elif status is None:
        outcome, reason = "no result", f"how it ended is not known; last line: {last_line}"
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
        exit_code=None if status is None else status.exit_code,
        signal=None if status is None else status.signal,
        reason=reason,
        root_cause=_root_cause(causes, reason, last_line),
        causes=causes,
        signature=None if crash is None else crash.signature,
        stderr_tail=tuple(lines[-TAIL_LINES:]),
        processes_left=0 if status is None else status.survivors,
        seconds=seconds,
        attempt=attempt,
    )


def _root_cause(causes: Sequence[Cause], reason: str, last_line: str) -> str:
    """Name the causes with evidence; without any, give the last line of the output."""
    named = [cause for cause in causes if cause.confidence in _FOUNDED]
    if not named or named[0].cause == NOT_A_LIMIT:
        return reason
    causes_line = "; ".join(
        f"{cause.cause} ({cause.confidence}): {', '.join(cause.evidence[:1])}"
        for cause in named[:2]
    )
    return f"{causes_line}; last line: {last_line}"


def _diagnosis(fold_dir: str, pid: int) -> Finding | None:
    if os.path.islink(fold_dir):  # the fold may have put it there, to whatever tree
        return None
    try:
        findings = analyze([fold_dir]).findings
    except Exception:  # noqa: BLE001 - the failure is recorded even if it cannot be diagnosed
        return None
    own = [finding for finding in findings if finding.process.pid == pid]
    return next((finding for finding in (*own, *findings) if finding.process.crash), None)


def _last_message(lines: Sequence[str]) -> str:
    """Return the last line; before it the exception's first, if its message has several lines."""
    begun = max((at for at, line in enumerate(lines) if line == TRACEBACK), default=len(lines))
    raised = next((line for line in lines[begun + 1 :] if not line.startswith(" ")), lines[-1])
    return lines[-1] if raised == lines[-1] else f"{raised} ... {lines[-1]}"


def last_lines(path: str) -> list[str]:
    """Return the last lines that a process wrote, cleaned for a terminal; empty for none."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    lines = [printable(line) for line in text.replace("\r", "\n").split("\n")]
    return [line for line in lines if line]
