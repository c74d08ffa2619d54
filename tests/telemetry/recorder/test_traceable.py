"""What supervises a process may look at it where Yama asks for that."""

from __future__ import annotations

import os

from tests.support.programs import run_python

CODE = (
    "import os; from telemetry.recorder.traceable import let_trace; print(let_trace(os.getppid()))"
)


def test_yama_is_asked_where_it_is_there() -> None:
    """And elsewhere nothing happens."""
    has_yama = os.path.exists("/proc/sys/kernel/yama/ptrace_scope")
    assert run_python("-c", CODE).out == f"{has_yama}\n"
