"""`Look`: another process that looks at a process, bounded in time, after which that one goes on whatever happens.

pystack stops what it looks at. One that is ended while it attaches leaves the other stopped, so that is continued here.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from telemetry.journal import typed
from telemetry.kernel.process_identity import start_ticks
from telemetry.masking import child_environment
from trainer.process.native_stacks import LONGEST_SECONDS
from trainer.process.start import starting

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_INSTALLED = "pystack is not installed (pip install 'foldwatch[explain]')"
MOST_BYTES = 2**20
END_SECONDS = 1.0
KILLED_SECONDS = 5.0
"""For one that was killed: more than that only takes one that waits in the kernel."""


def has_pystack() -> bool:
    """Whether pystack is installed."""
    return importlib.util.find_spec("pystack") is not None


class Look:
    """A process that looks at another one, and prints one JSON object."""

    def __init__(
        self, command: Sequence[str], pid: int, ticks: int | None, *, continues: bool = True
    ) -> None:
        """Start ``command``. Raises OSError.

        Args:
            command: What looks at it.
            pid: What is looked at.
            ticks: When that was started, in clock ticks since boot.
            continues: Whether that is continued if the look ends early; not one that was stopped before.
        """
        self._pid, self._ticks, self._continues = pid, ticks, continues
        self._said, self._is_whole = b"", False
        # What is missing of debug information is not fetched from the network while a process is stopped.
        environment = child_environment() | {"DEBUGINFOD_URLS": ""}
        with starting():
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self.output = self._process.stdout
        os.set_blocking(self.output.fileno(), False)

    def has_ended(self) -> bool:
        """Whether it has said all that it says."""
        while len(self._said) <= MOST_BYTES:
            try:
                read = os.read(self.output.fileno(), 2**16)
            except BlockingIOError:
                return False
            self._said += read
            if not read:
                self._is_whole = True
                return True
        return True

    def close(self) -> dict[str, object]:
        """End it; return the facts that it said, or why there are none, after which what it looked at goes on."""
        code = self._end()
        self.output.close()
        try:
            facts = typed.load(self._said)
            if "why" not in facts:
                return facts
        except ValueError:
            facts = {"why": _end_words(code) if self._is_whole else "the process ended meanwhile"}
        if self._continues and start_ticks(self._pid) == self._ticks:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGCONT)
        return facts

    def _end(self) -> int | None:
        """Return its exit code; None if it waits in the kernel for a file that does not come."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS if self.has_ended() else 0)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(KILLED_SECONDS)
        return None


def _end_words(code: int | None) -> str:
    if code is None:
        return "what looked at it waits in the kernel as well"
    if code == -signal.SIGALRM:
        return f"it took more than {LONGEST_SECONDS:g} s, and was given up"
    words = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"what looked at it ended early: {words}"
