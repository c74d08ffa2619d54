"""What the evidence as a whole comes to: what was near, what contradicts, what to record next time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import NEARLY_FULL, of_limit, peak_usage
from analyzer.diagnosis.run_end import next_stage
from analyzer.diagnosis.text_evidence import process_started
from telemetry.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.diagnosis.causes import Cause
    from analyzer.processes.from_log import Process
    from analyzer.signatures.search import SignatureMatch


def nearness(process: Process, causes: Sequence[str]) -> Iterator[str]:
    """Say that none of the recorded limits was near; of one that was, its cause has the evidence."""
    usages = {cause: usage for cause in causes if (usage := peak_usage(cause, process))}
    known = {c: usage for c, usage in usages.items() if usage.ratio is not None}
    if known and all((usage.ratio or 0) < NEARLY_FULL for usage in known.values()):
        words = (
            f"{c} {of_limit(c, usage.current or 0, usage.limit)}" for c, usage in known.items()
        )
        yield f"no recorded ceiling was near: {', '.join(words)}"


def contradictions(process: Process) -> Iterator[str]:
    """Name what a library or a tool says that the evidence does not bear out."""
    nproc = process.matches.get("openblas_nproc")
    if nproc is not None:
        yield "OpenBLAS prints RLIMIT_NPROC wherever a thread fails, also where it does not bind"
    if process_started(process):
        yield "a thread fails and fork works: that is a want of memory or maps rather than of tasks"
    if "go_os_thread" in process.matches:
        yield "Go's advice to raise ulimit -u is for one of the limits only; it counts its own threads"
    if "nnunet_background_workers" in process.matches and len(process.matches) > 1:
        yield "nnU-Net blames the RAM whatever ended its workers; the message before it counts"
    if "clone_no_pid" in process.matches:
        yield "no space left, from clone(), is a want of PIDs and not of disk"
    if "libgcc_s" in process.matches:
        yield "libgcc_s.so.1 is installed as a rule: it could not be opened or mapped at that moment"
    if "dataloader_bus_error" in process.matches:
        yield "a bus error is also that of a mapped data file that became shorter"


def notes(process: Process, causes: list[Cause]) -> tuple[str, ...]:
    """Say what the evidence as a whole comes to: what was near, what contradicts, what to record."""
    crash = process.crash
    if crash is None:
        return ()
    found = [*contradictions(process)]
    limits = [
        cause.cause
        for cause in causes
        if cause.cause in LIMITS and cause.confidence != Confidence.RULED_OUT
    ]
    if not limits or any(cause.confidence == Confidence.CERTAIN for cause in causes):
        return tuple(found)
    found += nearness(process, [cause.cause for cause in causes])
    found += _staleness(process, crash)
    return tuple(found)


def _staleness(process: Process, crash: SignatureMatch) -> list[str]:
    """Say how old the last reading is, by the stages that earlier folds had."""
    if crash.last_label is None or process.exit is not None:
        return []
    words = "what was used at the crash was not read"
    if stage := next_stage(process):
        return [f"{words}: the last reading is of a stage before {stage!r}"]
    return [f"{words}: the last reading is at {crash.last_label!r}"]
