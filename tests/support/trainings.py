"""A training that somebody else has started: it writes into its log, and exits, as a test says."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TALKS = """
import sys
print("started", flush=True)
for line in sys.stdin:
    if line.startswith("exit"):
        raise SystemExit(int(line.split()[1]))
    print(line, end="", flush=True)
"""
"""Writes into its log what it is told, and exits as it is told."""


class Training:
    """A process with a log, which does what a test says."""

    def __init__(self, log: Path, *arguments: str, pass_fds: Sequence[int] = ()) -> None:
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", TALKS, *arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                pass_fds=pass_fds,
            )
        self.pid = self.process.pid

    def say(self, text: str) -> None:
        """Have it write lines; returns once they are in the log."""
        assert self.process.stdin is not None
        before = self.log.stat().st_size
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        while self.log.stat().st_size < before + len(text) + 1:
            assert self.process.poll() is None

    def end(self) -> None:
        """Leave nothing of it."""
        assert self.process.stdin is not None
        self.process.kill()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()

    def exit(self, code: int) -> None:
        """Have it exit, and reap it."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"exit %d\n" % code)
        self.process.stdin.close()
        self.process.wait()


def records(directory: Path) -> list[dict[str, Any]]:
    """Return what the journal in a run directory holds."""
    return [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]
