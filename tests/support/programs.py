"""Programs run to their end, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def run_foldwatch(*arguments: str, stdin: bytes = b"", **environment: str) -> CommandOutcome:
    """Run the command line with ``arguments``, for 300 seconds at most."""
    return run_python(
        "-m", "foldwatch", *arguments, stdin=stdin, seconds=300, environment=environment
    )
