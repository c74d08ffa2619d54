"""Programs run to their end: in processes of their own, and the command line also in this one."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from foldwatch.main import main
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CommandOutcome:
    """What a finished command printed, and its exit code."""

    code: int
    out: str
    err: str


def run_python(
    *arguments: str,
    stdin: bytes = b"",
    seconds: float = 60,
    environment: Mapping[str, str] | None = None,
) -> CommandOutcome:
    """Run this interpreter with ``arguments``, at the repository's root.

    Args:
        *arguments: As on its command line: ``-m``, ``-c`` or a path, and what follows.
        stdin: All of the standard input.
        seconds: When to give up.
        environment: Set over this process's own.

    Raises:
        TimeoutExpired: It took longer than ``seconds``.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=seconds,
    )
    return CommandOutcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def call_foldwatch(*arguments: str, stdin: bytes = b"", **environment: str) -> CommandOutcome:
    """Call the command line with ``arguments`` in this process: its start costs more than most commands.

    What it prints goes through UTF-8, whatever the locale.
    """
    given = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)), encoding="utf-8")
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    )
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(ROOT),
    ):
        code = main(list(arguments))
    printed = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return CommandOutcome(code, *printed)


def run_foldwatch(*arguments: str, environment: Mapping[str, str] | None = None) -> CommandOutcome:
    """Run the command line with ``arguments`` in a process of its own, for 300 seconds at most."""
    return run_python("-m", "foldwatch", *arguments, seconds=300, environment=environment)
