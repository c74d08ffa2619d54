"""Which failures of a run follow from another one: of a peer, of a child, or of a limit that refused several."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.processes.process import Process
    from analyzer.signatures.search import SignatureMatch

TASKS_OF_A_CGROUP = "pids_cgroup"


class Symptoms:
    """The failures of a run, of which the first that follows from no other explains those that do."""

    def __init__(self, processes: Sequence[Process]) -> None:
        crashes = [(one, one.crash) for one in processes]
        self._first = _named(
            (one, crash) for one, crash in crashes if crash is not None and not crash.is_secondary
        )
        self._refusal = next(
            (
                (one, crash)
                for one, crash in crashes
                if crash is not None
                and crash.names_its_cause
                and TASKS_OF_A_CGROUP in crash.causes
                and crash.line is not None
            ),
            None,
        )

    def explain(self, process: Process) -> str | None:
        """Return the failure that the end of a process follows from; None where it is one of its own."""
        crash = process.crash
        if crash is None:
            return None
        if crash.is_secondary:
            return self._first
        return self._refused(process, crash)

    def _refused(self, process: Process, crash: SignatureMatch) -> str | None:
        """Return the kernel's line above a thread or a process that could not be started.

        A cgroup that is full refuses every process in it, and the kernel says so once.
        """
        if self._refusal is None:
            return None
        by, said = self._refusal
        is_alike = crash.errno == errno.EAGAIN or not crash.errno
        is_below = by.source == process.source and (crash.line or 0) > (said.line or 0)
        if by is process or not (is_alike and is_below and TASKS_OF_A_CGROUP in crash.causes):
            return None
        return _named([self._refusal])


def _named(found: Iterable[tuple[Process, SignatureMatch]]) -> str | None:
    for process, crash in found:
        where = f", line {crash.line}" if crash.line else ""
        return f"{crash.signature} ({process.source}{where}): {crash.text}"
    return None
