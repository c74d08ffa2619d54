"""How a fold ended that left no result: its outcome, and the analyzer's diagnosis, in ``failure.json``.

The diagnosis is the one that ``foldwatch analyze`` gives afterwards, from the journal and the output. The
counters that make a cause certain were read when the process died; they are in the journal's last record.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from analyzer.diagnosis.confidence import Confidence
from analyzer.formatting import safe
from analyzer.signatures.signature import MEMORY, NOT_A_LIMIT
from telemetry.journal import typed
from telemetry.journal.atomic_write import open_regular
from telemetry.journal.private_files import make_fold_folder
from telemetry.journal.run_layout import FAILURE, LARGEST_BYTES, OUTPUT
from telemetry.masking import mask_forms
from trainer.agent.diagnosis import Diagnosis, as_json, cause_of, diagnose
from trainer.agent.exit_code import ExitCode
from trainer.process.output_follower import printable
from trainer.run.durable_files import write_whole
from trainer.run.fold_result import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analyzer.diagnosis.causes import Cause
    from trainer.process.launcher import ExitStatus

TAIL_LINES = 20
TAIL_BYTES = 16384
_FOUNDED = {Confidence.CERTAIN, Confidence.LIKELY}
LAST_LINE_SHOWN = 300
"""Characters; all of it is in ``stderr_tail``."""
INTERRUPTED = "interrupted"
"""The cause of what somebody ended."""
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
        causes = [as_json(cause) for cause in self.causes]
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


_CHECKS: Mapping[str, typed.Check] = {
    "fold": typed.whole,
    "exit_code": typed.exit_code,
    **dict.fromkeys(
        ("outcome", "signal", "reason", "root_cause", "signature", "attempt"), typed.text
    ),
    "causes": typed.tuple_of(cause_of),
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
    is_wanted: Callable[[], bool] = lambda: True,
) -> FoldFailure:
    """Explain the end of a process by the files in ``fold_dir``.

    ``status`` is how it ended, None if nobody can tell; ``end_reason`` is why the runner ended it. The diagnosis takes
    its time while it ``is_wanted``.
    """
    lines = [mask_forms(line) for line in last_lines(os.path.join(fold_dir, OUTPUT))]
    last_line = safe(_last_message(lines), longest=LAST_LINE_SHOWN) if lines else "it wrote nothing"
    if end_reason is not None:
        outcome, reason = end_reason.split(":", 1)[0], end_reason
    else:
        outcome, reason = _event(status, last_line, has_traceback=TRACEBACK in lines)
    found = Diagnosis()
    # The fold may have put a link in its place, to whatever tree.
    if outcome != "interrupted" and not os.path.islink(fold_dir):
        found = diagnose(fold_dir, pid, is_wanted=is_wanted)
    causes = found.causes
    root_cause = _root_cause(causes, reason, last_line, is_ended=end_reason is not None)
    if found.is_cut_short:
        root_cause += f"; not diagnosed in time: foldwatch analyze {fold_dir}"
    if any(cause.confidence == Confidence.CERTAIN and cause.cause in MEMORY for cause in causes):
        outcome = "out of memory"
    return FoldFailure(
        fold=fold,
        outcome=outcome,
        exit_code=None if status is None else status.exit_code,
        signal=None if status is None else status.signal,
        reason=reason,
        root_cause=root_cause,
        causes=causes,
        signature=found.signature,
        stderr_tail=tuple(lines[-TAIL_LINES:]),
        processes_left=0 if status is None else status.survivors,
        seconds=seconds,
        attempt=attempt,
    )


def _event(status: ExitStatus | None, last_line: str, *, has_traceback: bool) -> tuple[str, str]:
    """Return the outcome and the reason of a process that ended by itself."""
    if status is None:
        return "no result", f"how it ended is not known; last line: {last_line}"
    if status.signal is not None:
        return "signal", f"ended by {status.signal}; last line: {last_line}"
    if status.exit_code == 0:
        return "no result", "exited with 0 and left no result.json"
    outcome = "exception" if has_traceback else "exit code"
    return outcome, f"exited with {status.exit_code}; last line: {last_line}"


def _root_cause(causes: Sequence[Cause], reason: str, last_line: str, *, is_ended: bool) -> str:
    """Name the causes with evidence; without any, the event, which says more than that the runner ``is_ended`` it."""
    named = [
        cause
        for cause in causes
        if cause.confidence in _FOUNDED and not (is_ended and cause.cause == INTERRUPTED)
    ]
    if not named or named[0].cause == NOT_A_LIMIT:
        return reason
    causes_line = "; ".join(
        f"{cause.cause} ({cause.confidence}): {', '.join(cause.evidence[:1])}"
        for cause in named[:2]
    )
    return f"{causes_line}; last line: {last_line}"


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
