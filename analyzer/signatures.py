"""What a log says when a limit was hit: one table.

Owns the texts and the causes that each can have. A message never proves a cause: only the kernel's
own lines name one. It must not judge; `diagnosis` weighs the candidates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CAUSES = (
    "pids_cgroup",
    "nproc",
    "threads_max",
    "pid_max",
    "max_map_count",
    "cgroup_memory",
    "host_memory",
    "address_space",
    "open_files",
    "shared_memory",
    "locked_memory",
    "gpu_memory",
    "not_a_limit",
)
"""Every cause that a diagnosis can name."""

TASK_OR_MEMORY = (
    "pids_cgroup",
    "nproc",
    "threads_max",
    "pid_max",
    "max_map_count",
    "address_space",
    "cgroup_memory",
    "host_memory",
)
"""What makes pthread_create() give EAGAIN: clone() refuses a task, or the stack's mmap gets ENOMEM,
which glibc turns into EAGAIN (nptl/allocatestack.c)."""


CAUSES_OF_SIGNAL = {
    "SIGKILL": ("cgroup_memory", "host_memory", "not_a_limit"),
    "SIGABRT": (*TASK_OR_MEMORY, "not_a_limit"),
    "SIGBUS": ("shared_memory", "not_a_limit"),
}
"""What may stand behind a signal that ended a process with no message in its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One text that a crash leaves in a log."""

    name: str
    literal: str
    """Stands in every such line as it is, so that a log can be searched fast."""
    pattern: re.Pattern[str]
    """With the named groups thread, errno and cgroup where the text says them."""
    errno: int | None = None
    signal: str | None = None
    """The signal that ends the process after this message."""
    causes: tuple[str, ...]
    names_its_cause: bool = False
    """Whether the line proves its one cause: it comes from the kernel, at the refusal itself."""


SIGNATURES: tuple[Signature, ...] = (
    # F tensorflow/tsl/platform/default/env.cc:74] Check failed: ret == 0 (11 vs. 0)Thread tf_ creation via ...
    Signature(
        name="tensorflow_pthread_create",
        literal="creation via pthread_create() failed",
        pattern=re.compile(
            r"Check failed: ret == 0 \((?P<errno>\d+) vs\. 0\) ?"
            r"Thread (?:(?P<thread>\S+) )?creation via pthread_create\(\) failed"
        ),
        errno=11,
        signal="SIGABRT",
        causes=TASK_OR_MEMORY,
    ),
    # CPython never says the errno.
    Signature(
        name="python_new_thread",
        literal="can't start new thread",
        pattern=re.compile(r"RuntimeError: can't start new thread"),
        causes=TASK_OR_MEMORY,
    ),
    # cgroup: fork rejected by pids controller in /docker/0123    (the first refusal of a cgroup only)
    Signature(
        name="kernel_fork_rejected",
        literal="fork rejected by pids controller",
        pattern=re.compile(r"cgroup: fork rejected by pids controller in (?P<cgroup>\S+)"),
        errno=11,
        causes=("pids_cgroup",),
        names_its_cause=True,
    ),
    Signature(
        name="kernel_memory_cgroup_oom",
        literal="Memory cgroup out of memory",
        pattern=re.compile(r"Memory cgroup out of memory: Kill(?:ed)? process"),
        signal="SIGKILL",
        causes=("cgroup_memory",),
        names_its_cause=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """The sign of a crash, as found; a field is None where the log does not say it."""

    signature: str
    line: int | None
    text: str
    thread: str | None = None
    errno: int | None = None
    signal: str | None = None
    last_label: str | None = None
    seconds_after_last_sample: float | None = None
    causes: tuple[str, ...] = ()
    """The candidates that such a sign can have."""
    names_its_cause: bool = False


def find_crash(text: str, *, line: int) -> Crash | None:
    """Return the crash that ``text`` tells of, if any."""
    for signature in SIGNATURES:
        if signature.literal not in text or not (match := signature.pattern.search(text)):
            continue
        groups = match.groupdict()
        errno = groups.get("errno")
        return Crash(
            signature=signature.name,
            line=line,
            text=text.strip(),
            thread=groups.get("thread"),
            errno=signature.errno if errno is None else int(errno),
            signal=signature.signal,
            causes=signature.causes,
            names_its_cause=signature.names_its_cause,
        )
    return None
