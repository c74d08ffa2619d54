"""The name by which people know a process: that of its script, not of the interpreter that runs it.

A command line is what its process says: it is masked, cut and cleaned, and is no more than a name to show.
"""

from __future__ import annotations

import os
import re

from telemetry.holders import clean_name
from telemetry.interruption import pass_on
from telemetry.masking import masked

_MOST_BYTES = 4096
_INTERPRETER = re.compile(
    r"(?:python|pypy)[\d.]*t?|(?:ba|da|z|k|a)?sh|perl[\d.]*|ruby[\d.]*|node|Rscript"
)
_COMMAND = re.compile(r"-[a-zA-VYZ]{0,3}c")
"""``-c``, also with other letters in the same word; -X and -W begin a value."""
_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
"""Options of Python whose value is the next word."""


def program_name(words: list[str]) -> str | None:
    """Return the name in a command line: ``train.py``, ``torch.distributed.run``, ``python -c``; None if it has none.

    A process that has set its own title has all of it in the first word: ``ray::train``, ``postgres: writer``.
    """
    first = words[0].split(" ", 1)[0] if words else ""
    program = os.path.basename(first.rstrip(":")).lstrip("-")
    if not program:
        return None
    if _INTERPRETER.fullmatch(program) and len(words) > 1:
        program = _script(program, words)
    return clean_name(masked((program,))[0])


def _script(interpreter: str, words: list[str]) -> str:
    is_value = False
    for place, word in enumerate(words[1:], start=1):
        if is_value:
            is_value = False
        elif word.startswith("-m") and (
            module := word[2:] or "".join(words[place + 1 : place + 2])
        ):
            return module
        elif _COMMAND.fullmatch(word):
            return f"{interpreter} -c"
        elif word in _WITH_VALUE:
            is_value = True
        elif word and not word.startswith("-"):
            is_handed_over = word.startswith(("/dev/fd/", "/proc/"))
            return interpreter if is_handed_over else os.path.basename(word) or word
    return interpreter


def read_program_name(pid: int, *, root: str = "/") -> str | None:
    """Read the name of ``pid``; None if it has none, is gone or hidden.

    It waits for the lock of that process's memory maps, so what must not wait asks for it in a thread of its own,
    and it gives Python's lock up meanwhile (which telemetry.kernel.syscalls does not).
    """
    try:
        descriptor = os.open(
            os.path.join(root, "proc", str(pid), "cmdline"), os.O_RDONLY | os.O_CLOEXEC
        )
        try:
            text = os.read(descriptor, _MOST_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        pass_on(error)
        return None
    return program_name(text.rstrip(b"\0").decode("utf-8", "replace").split("\0"))
