"""The role of a process among the descendants of a training, from its command line and its name.

Owns which frameworks start which processes, and how these can be told apart. A command line may hold secrets: of one that
is not known, the name of the program or script alone is kept.

    multiprocessing   spawn: ``python -c "from multiprocessing.spawn import spawn_main; ..." --multiprocessing-fork``;
                      fork: the command line of the parent
    PyTorch           a DataLoader's worker names its main thread ``pt_data_worker`` (torch/utils/data/_utils/worker.py);
                      a rank of torchrun has LOCAL_RANK in its environment
    joblib            ``python -m joblib.externals.loky.backend.popen_loky_posix --process-name LokyProcess-1 ...``
    Ray               ``ray::train_epoch``, and before its first task ``.../ray/_private/workers/default_worker.py ...``
"""

from __future__ import annotations

import re

from telemetry.reading import short_role

_TOLD_BY: tuple[tuple[bytes, str], ...] = (
    (b"multiprocessing.resource_tracker", "resource tracker"),
    (b"loky.backend.resource_tracker", "resource tracker"),
    (b"loky.backend.popen_loky", "loky worker"),
    (b"multiprocessing.forkserver", "forkserver"),
    (b"--multiprocessing-fork", "multiprocessing worker"),
    (b"ray/_private/workers/default_worker.py", "Ray worker"),
)
"""What stands in a command line, and what it says; the first that is found counts."""
_NAMES = {b"pt_data_worker": "DataLoader worker", b"pt_data_pin": "DataLoader worker"}
_LAUNCHERS = (
    b"torchrun",
    b"torch.distributed.run",
    b"torch.distributed.launch",
    b"torch/distributed/run.py",
)
_LOCAL_RANK = re.compile(rb"(?:^|\0)LOCAL_RANK=(\d{1,6})(?:\0|$)")
_PYTHON = re.compile(rb"python[\d.]*$")


def is_launcher(command: bytes) -> bool:
    """Whether a command line is that of torchrun, whose children are ranks."""
    words = command.split(b"\0")[:6]
    return any(word.endswith(_LAUNCHERS) for word in words)


def local_rank(environment: bytes) -> int | None:
    """Return LOCAL_RANK of /proc/PID/environ."""
    found = _LOCAL_RANK.search(environment)
    return None if found is None else int(found[1])


def role_of(command: bytes, *, name: bytes, of_parent: bytes) -> str:
    """Return the role of a process, fit for a label.

    Args:
        command: /proc/PID/cmdline, arguments that end in NUL.
        name: The name of its main thread, of at most 15 bytes.
        of_parent: The command line of its parent: one that was forked and runs no other program has the same.
    """
    if name in _NAMES:
        return _NAMES[name]
    if command.startswith(b"ray::"):
        return "Ray worker"
    is_forked = command != b"" and command == of_parent
    told = next((role for mark, role in _TOLD_BY if mark in command), None)
    if told is not None:
        return f"{told}'s worker" if is_forked and told == "forkserver" else told
    return (
        "forked worker"
        if is_forked
        else _program(command) or short_role(name.decode("utf-8", "replace"))
    )


def _program(command: bytes) -> str:
    """Return the script or module that Python runs, or the program; without its folder."""
    program, *arguments = [word for word in command.split(b"\0") if word] or [b""]
    if _PYTHON.search(program):
        for place, word in enumerate(arguments):
            if word == b"-m":
                program = b"".join(arguments[place + 1 : place + 2]) or program
            elif word == b"-c":
                return "python -c"
            elif not word.startswith(b"-"):
                program = word
            else:
                continue
            break
    return short_role(program.split(b" ")[0].rsplit(b"/", 1)[-1].decode("utf-8", "replace"))
