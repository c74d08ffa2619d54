"""The words of ``--alert-command``, checked before there is an alert: it is a program with its arguments, and no shell."""

from __future__ import annotations

import re
import shlex
import shutil

from telemetry.errors import InputError
from telemetry.masking import mask_text

_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_FOR_A_SHELL = re.compile(r"\d?(?:>>?|<)(?:&\d)?|\|\|?|&&?|;|[^\s;]*;$|\$.+|`.+|~/.*")
"""A word, or the start of one, that only a shell understands; ``&`` inside of an address is none."""


def command_words(command: str) -> list[str]:
    """Return the words of ``command``. Raises InputError if it is for a shell, or its program is not there."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"--alert-command: {error}") from error
    if not words:
        raise InputError("--alert-command: there is no command in it")
    if sign := _sign_for_a_shell(command):
        wrapped = f"sh -c {shlex.quote(mask_text(command))}"
        raise InputError(f"--alert-command is no shell, which {sign} is for; use {wrapped}")
    if shutil.which(words[0]) is None:
        raise InputError(f"--alert-command: {mask_text(words[0])}: no such program")
    return words


def _sign_for_a_shell(command: str) -> str | None:
    """Return the first unquoted word that only a shell understands, as far as it is a sign."""
    for word in _QUOTED.sub("_", command).split():
        found = _FOR_A_SHELL.match(word)
        if found or "|" in word:
            return found[0] if found else "|"
        if "$(" in word or "`" in word:
            return "$(" if "$(" in word else "`"
    return None
