"""Signs of a bad end that are in no log: what its runner saw of a process, and that it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.child_evidence import met_by_child
from analyzer.diagnosis.evidence import refused_to_the_end
from analyzer.processes.from_journal import may_be_crash
from analyzer.signatures.search import CAUSES_OF_SIGNAL, SignatureMatch
from analyzer.signatures.signature import KILLED, NOT_A_LIMIT
from telemetry.kernel.process_identity import ProcessIdentity, is_alive

if TYPE_CHECKING:
    from analyzer.processes.process import Process


def note_exit(process: Process) -> None:
    """Add the sign that its runner recorded of a bad end: a signal, a limit that was met, an exit code, a reason."""
    event = process.exit
    if event is None or not may_be_crash(event):
        _note_reason(process)
        return
    of_child = _take_back_signs_of_a_child(process)
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
    elif causes := (*refused_to_the_end(process), *of_child):
        code = event.facts.get("exit_code")
        ended = "ended" if code is None else f"exited with {code}"
        met = "one of its children was at a limit of its own"
        if set(causes) - set(of_child):
            met = "the kernel had counted a refusal or a kill"
        process.note_match(
            SignatureMatch(
                signature="ended_at_a_limit",
                line=None,
                text=f"the process {ended}, and {met}",
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


def _take_back_signs_of_a_child(process: Process) -> list[str]:
    """Return the limits that a child met at the failure, of which no sign tells.

    Ranks write into one log: what one of them said last is not survived because another one went on for a moment.
    """
    met = met_by_child(process)
    back = {
        name: sign for name, sign in process.recovered.items() if not {*sign.causes}.isdisjoint(met)
    }
    process.matches = {**back, **process.matches}
    process.recovered = {n: sign for n, sign in process.recovered.items() if n not in back}
    told = {cause for sign in process.matches.values() for cause in sign.causes}
    return [cause for cause in met if cause not in told]


BY_ITS_RUNNER = frozenset({"interrupted", "timeout", "not reached", "refused", "not started"})
"""What ``failure.json`` calls a fold that its runner ended, or did not begin."""


def _note_reason(process: Process) -> None:
    """Add the reason that its runner gave: that it ended the process, or that the fold left no result."""
    seen, event = process.fold_outcome, process.exit
    text, outcome = "", "interrupted"
    if seen is not None and not seen.is_finished:
        outcome = seen.outcome or ""
        text = seen.reason or outcome or "its fold failed"
    elif seen is None and event is not None and event.facts.get("exit_code", 0) != 0:
        text = "its runner ended it"
    if not text or process.crash is not None:
        return
    stops = outcome in BY_ITS_RUNNER
    cause = "time_limit" if outcome == "timeout" else "interrupted" if stops else NOT_A_LIMIT
    process.note_match(
        SignatureMatch(
            signature="ended_by_runner" if stops else "fold_failed",
            line=None,
            text=text,
            causes=(cause,),
            speaks_for=(cause,) if stops else (),
            is_secondary=not stops,
            is_generic=True,
            stops=stops,
        )
    )


def note_gone(process: Process) -> None:
    """Add the sign that a process is gone whose record has no ending: nothing in it could write one."""
    has_word = _has_ending(process) or process.outlived_its_record
    if has_word or process.is_cut or _is_there(process) is not False:
        return
    process.note_match(
        SignatureMatch(
            signature="process_gone",
            line=None,
            text=f"process {process.pid} is gone from this host, and recorded no ending: a signal or os._exit ended it",
            causes=KILLED,
            is_secondary=True,
        )
    )


def is_running(process: Process) -> bool:
    """Whether a process is known to run on: its record has no ending, and it is there, on this host."""
    return not _has_ending(process) and _is_there(process) is True


def _is_there(process: Process) -> bool | None:
    """Whether the process is still there; None where nobody can tell."""
    own = process.header
    if own is None or process.pid is None:
        return None
    return is_alive(ProcessIdentity(own.boot_id, own.pid_namespace, process.pid, own.start_ticks))


def _has_ending(process: Process) -> bool:
    return bool(
        process.matches
        or process.exit
        or process.launcher_saw_end
        or process.fold_outcome
        or process.interpreter_ended
        or process.finished_by
    )
