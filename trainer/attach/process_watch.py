"""`ProcessWatch`: records every process whose command line matches, as they come and go."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from telemetry.errors import InputError
from telemetry.journal.run_layout import JOURNAL
from telemetry.kernel.program_name import program_name
from telemetry.user_regex import compile_expression
from trainer.attach.attached_process import AttachedProcess
from trainer.attach.pace import Pace
from trainer.attach.target import Candidate, Target, command_of, lineage, pids, roots
from trainer.run.warning import explained, warn

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

logger = logging.getLogger("foldwatch")

SHARE = 0.006
"""Of one core, for all that is watched together."""
LOOKS = 2
"""At a new process: a shell forks first, and becomes the training a moment later."""
ALL_SECONDS = 120.0
"""Between two looks at all processes, whatever is known of them: one may take another title."""
MOST_PROCESSES = 200
"""That are recorded at once."""


class ProcessWatch:
    """Records into a directory for each process, below the one that it is given.

    What matches below another match is of its tree, and is recorded with it. Who records itself, or is recorded by
    `foldwatch run`, is left alone.
    """

    def __init__(self, expression: str, directory: str) -> None:
        """Take what to look for. Raises InputError: the expression is broken, or RE2 is missing."""
        self._pattern: Any = compile_expression(expression, option="--watch")
        self._directory = directory
        self._looks: dict[int, int] = {}
        """By PID, how often it was looked at."""
        self._recorded: dict[int, AttachedProcess] = {}
        self._own = lineage(os.getpid())
        self._all_at = 0.0
        self._has_told = False

    def run(self, stop: threading.Event) -> None:
        """Record until ``stop``, in a thread of the caller's."""
        pace = Pace(SHARE)
        while not stop.is_set():
            try:
                self.step()
            except Exception:
                logger.exception("foldwatch: a look at the watched processes failed")
            stop.wait(pace.pause())
        for process in self._recorded.values():
            if not process.has_ended():
                process.detach()
            process.close()

    def step(self) -> None:
        """Look for new processes, and take a reading of each that is recorded."""
        for pid, process in list(self._recorded.items()):
            if process.has_ended():
                process.finish()
                process.close()
                del self._recorded[pid]
            else:
                process.sample()
        for one in self._found():
            self._begin(one)

    def _found(self) -> list[Candidate]:
        """Return the matches that are not recorded yet, by themselves or with another."""
        present = set(pids())
        if time.monotonic() - self._all_at > ALL_SECONDS:
            self._looks, self._all_at = {}, time.monotonic()
        self._looks = {pid: self._looks.get(pid, 0) + 1 for pid in present}
        new = [pid for pid, looks in self._looks.items() if looks <= LOOKS]
        return roots(self._matching(new), also=self._recorded.keys())

    def _matching(self, new: Iterable[int]) -> list[Candidate]:
        found = []
        for pid in new:
            if pid in self._own or pid in self._recorded:
                continue
            words = command_of(pid)
            if words and self._pattern.search(" ".join(words)) and not _is_recorded(pid):
                found.append(Candidate(pid, words))
        return found

    def _begin(self, one: Candidate) -> None:
        if len(self._recorded) >= MOST_PROCESSES:
            if not self._has_told:
                warn(f"--watch: more than {MOST_PROCESSES} processes match; the rest is left out")
                self._has_told = True
            return
        name = re.sub(r"[^\w.]+", "-", program_name(list(one.command)) or "process")
        directory = os.path.join(self._directory, f"{name}-{one.pid}")
        try:
            target = Target(one.pid)
        except InputError:  # it has ended meanwhile
            return
        try:
            process = AttachedProcess(target, directory)
        except OSError as error:
            target.handle.close()
            warn(f"{target} is not recorded: {explained(error, directory)}")
            return
        self._recorded[one.pid] = process
        warn(f"recording {target} in {directory}")


def _is_recorded(pid: int) -> bool:
    """Whether a process has a journal open, its own or that of what it supervises."""
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.path.basename(os.readlink(f"/proc/{pid}/fd/{number}")) == JOURNAL:
                    return True
    return False
