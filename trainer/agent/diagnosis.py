"""Why a fold ended, as the analyzer judges it: in a process of its own, which has an end.

A fold may write anything, as much as it likes, and the analyzer reads it: whoever waits for that has to hear signals
meanwhile, and an agent is to stay small.

``python -m trainer.agent.diagnosis FOLD_DIR PID`` prints what `diagnose` returns as one line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.diagnosis.causes import Cause
from analyzer.diagnosis.confidence import Confidence
from telemetry.journal import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIAGNOSIS_SECONDS = 10.0
"""What takes longer is left to `foldwatch analyze`, which shows its progress."""
LOOK_SECONDS = 0.05
"""Between two looks whether it is wanted still."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is found of the process that a fold ended with."""

    causes: tuple[Cause, ...] = ()
    signature: str | None = None
    """The analyzer's name for the crash message."""
    is_cut_short: bool = False
    """Whether it took too long, or nobody wanted it any more."""


def diagnose(fold_dir: str, pid: int, *, is_wanted: Callable[[], bool] = lambda: True) -> Diagnosis:
    """Judge the files of a fold, within DIAGNOSIS_SECONDS and while ``is_wanted``. Never raises OSError or ValueError."""
    command = [sys.executable, "-P", "-m", __name__, fold_dir, str(pid)]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        return Diagnosis()
    deadline = time.monotonic() + DIAGNOSIS_SECONDS
    while True:
        try:
            told, _ = process.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if is_wanted() and time.monotonic() < deadline:
                continue
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Diagnosis(is_cut_short=True)
        try:
            return _decoded(typed.load(told))
        except ValueError:
            return Diagnosis()


def cause_of(name: str, value: object) -> Cause:
    """Check a cause as JSON has it. Raises ValueError."""
    content = typed.mapping(name, value)
    cause, standing = (typed.text(key, content.get(key)) for key in ("cause", "standing"))
    evidence = typed.tuple_of(typed.text)("evidence", content.get("evidence"))
    return Cause(cause, Confidence(standing), evidence)


def as_json(cause: Cause) -> dict[str, Any]:
    """Return a cause as `cause_of` reads it."""
    return {"cause": cause.cause, "standing": cause.confidence, "evidence": cause.evidence}


def _decoded(content: dict[str, Any]) -> Diagnosis:
    signature = content.get("signature")
    return Diagnosis(
        causes=typed.tuple_of(cause_of)("causes", content.get("causes")),
        signature=None if signature is None else typed.text("signature", signature),
    )


def main(arguments: Sequence[str]) -> None:
    """Print the diagnosis; nothing if the files cannot be judged."""
    from analyzer.pipeline import analyze  # noqa: PLC0415 - in this process alone

    fold_dir, pid = arguments[0], int(arguments[1])
    findings = analyze([fold_dir]).findings
    own = [finding for finding in findings if finding.process.pid == pid]
    found = next((one for one in (*own, *findings) if one.process.crash), None)
    crash = None if found is None else found.process.crash
    content = {
        "causes": [] if found is None else [as_json(cause) for cause in found.causes],
        "signature": None if crash is None else crash.signature,
    }
    print(json.dumps(content))


if __name__ == "__main__":
    main(sys.argv[1:])
