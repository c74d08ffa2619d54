"""What the messages of a failure say themselves for a cause, or against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.diagnosis.confidence import Confidence
from analyzer.diagnosis.evidence import Evidence
from analyzer.signatures.gpu import ONNXRUNTIME_ARENA
from analyzer.signatures.signature import ENOMEM, MEMORY, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.processes.from_log import Process
    from analyzer.signatures.search import SignatureMatch

NEAR_LINES = 200
"""What the kernel says of a kill, and what others say of it, stand no further apart; nor do a frame and its error."""
NO_NPROC = 1_000_000
"""From here on a printed RLIMIT_NPROC is as good as none."""
ENOSPC = 28
_REFUSED_FORK = frozenset({"python_errno_11", "shell_fork", "nginx_fork"})
_NOT_FOR_FORK = frozenset(ENOMEM)
_JOBLIB_IN = {"shared_memory": "joblib_in_shm", "disk_space": "joblib_on_disk"}
"""By cause, the frame that says that joblib puts its arrays there."""


def text_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Give what the texts themselves say: for a cause, or against it."""
    root = process.crash
    for sign in process.matches.values():
        # What follows from a kill that is explained says how the unit ended, not why.
        is_explained = root is not None and bool(root.speaks_for) and cause not in root.speaks_for
        is_explained = is_explained and root is not sign and sign.signal == "SIGKILL"
        is_explained = is_explained or _kernel_says_otherwise(cause, sign, process)
        if cause in sign.speaks_for and not is_explained:
            where = f"line {sign.line}" if sign.line else "the runner"
            yield Evidence(
                Confidence.LIKELY, f"the message speaks for it ({sign.signature}, {where})"
            )
    nproc = process.matches.get("openblas_nproc")
    if cause == "nproc" and nproc is not None:
        soft = int(nproc.details["soft"])
        if soft < 0 or soft >= NO_NPROC:
            yield Evidence(
                Confidence.RULED_OUT, f"OpenBLAS prints RLIMIT_NPROC {soft}: no limit that binds"
            )
        else:
            yield Evidence(
                Confidence.POSSIBLE, f"OpenBLAS prints RLIMIT_NPROC {soft:,}, binding or not"
            )
    refused = _REFUSED_FORK & process.matches.keys()
    if cause in _NOT_FOR_FORK and refused and process.matches.keys() - refused:
        words = "fork was refused as well, with EAGAIN; a want of memory or maps gives it ENOMEM"
        yield Evidence(Confidence.RULED_OUT, words)
    started = process_started(process)
    if started and cause in (*TASKS, *_NOT_FOR_FORK):
        words = f"a process was started after a thread had been refused (line {started})"
        if cause in TASKS:
            yield Evidence(Confidence.POSSIBLE, f"{words}, so this had passed, or is not it")
        else:
            yield Evidence(
                Confidence.LIKELY, f"{words}; a want of memory or maps refuses the thread alone"
            )


def _kernel_says_otherwise(cause: str, sign: SignatureMatch, process: Process) -> bool:
    """Whether the kernel names another memory as what ran out in a kill that somebody else speaks of.

    Who looks at the cgroup's counter, as Slurm, systemd and the kubelet do, sees a kill for the host's memory too.
    """
    if cause not in MEMORY or sign.names_its_cause or sign.signal != "SIGKILL":
        return False
    told = {
        one.causes[0]
        for one in process.matches.values()
        if one.names_its_cause
        and one.signal == "SIGKILL"
        and process.is_named_by(one) is not False
        and abs((one.line or 0) - (sign.line or 0)) <= NEAR_LINES
    }
    return bool(told) and cause not in told


def place_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Say where joblib put the file that it had no room for: its message names no file."""
    root = process.crash
    if root is None or root.errno != ENOSPC or root.line is None or cause not in _JOBLIB_IN:
        return
    dumped = process.frames.get("joblib_dump_frame", 0)
    told = {name: process.frames.get(frame, 0) for name, frame in _JOBLIB_IN.items()}
    latest = max(told, key=lambda name: told[name])
    if dumped and 0 <= root.line - dumped <= NEAR_LINES and latest == cause and told[cause]:
        yield Evidence(Confidence.LIKELY, f"joblib puts its arrays there (line {told[cause]})")


def device_evidence(cause: str, process: Process) -> Iterator[Evidence]:
    """Say on which device ONNX Runtime ran: the message of its arena is the same for all of them."""
    root = process.crash
    if root is None or root.signature != ONNXRUNTIME_ARENA or cause != "gpu_memory":
        return
    on_gpu, on_cpu = (process.frames.get(f"onnxruntime_{name}") for name in ("gpu", "cpu"))
    if on_gpu:
        yield Evidence(Confidence.LIKELY, f"the session runs on a GPU (line {on_gpu})")
    elif on_cpu:
        yield Evidence(Confidence.RULED_OUT, f"the session runs on the CPU (line {on_cpu})")


def process_started(process: Process) -> int | None:
    """Return the line of a process that was started after a thread was refused; None without one.

    What counts tasks refuses both; a new process needs no stack of its own to be mapped.
    """
    started, exited = (process.frames.get(f"process_{name}", 0) for name in ("started", "exited"))
    refused = [
        sign.line
        for sign in process.matches.values()
        if sign.line is not None and {"pids_cgroup", "max_map_count"} <= {*sign.causes}
    ]
    is_after = bool(refused) and min(refused) < started and not min(refused) < exited < started
    return started if is_after and not _REFUSED_FORK & process.matches.keys() else None
