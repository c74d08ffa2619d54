"""The sign of a crash that the runner of a process recorded when it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.evidence import refused_to_the_end
from analyzer.processes.from_journal import may_be_crash
from analyzer.signatures.search import CAUSES_OF_SIGNAL, SignatureMatch

if TYPE_CHECKING:
    from analyzer.processes.process import Process


def note_exit(process: Process) -> None:
    """Add the sign that its runner recorded of a bad end: a signal, a limit that was met, an exit code."""
    event = process.exit
    if event is None or not may_be_crash(event):
        return
    signal, last = event.facts.get("signal"), process.last_reading
    seconds = None if last is None else event.time - last.time
    if isinstance(signal, str):
        process.note_match(
            SignatureMatch(
                signature="ended_by_signal",
                line=None,
                text=f"the process was ended by {signal}",
                signal=signal,
                seconds_after_last_sample=seconds,
                causes=CAUSES_OF_SIGNAL.get(signal, ("not_a_limit",)),
                is_secondary=signal != "SIGKILL",  # what a message explains; none explains SIGKILL
            )
        )
    elif causes := refused_to_the_end(process):
        code = event.facts.get("exit_code")
        process.note_match(
            SignatureMatch(
                signature="ended_at_a_limit",
                line=None,
                text=f"the process exited with {code}, and the kernel had counted a refusal or a kill",
                seconds_after_last_sample=seconds,
                causes=causes,
            )
        )
    else:
        code = event.facts.get("exit_code")
        process.note_match(
            SignatureMatch(
                signature="exited",
                line=None,
                text=f"the process exited with {code}",
                seconds_after_last_sample=seconds,
                causes=("not_a_limit",),
                is_secondary=True,
                is_generic=True,
            )
        )
