"""Lets what supervises this process look at it, where the kernel's Yama module asks for that.

With ``kernel.yama.ptrace_scope`` 1, the default of many distributions, a process is traced by its ancestors only, unless
it names another one, whose descendants may then too (Documentation/admin-guide/LSM/Yama.rst).
"""

from __future__ import annotations

import ctypes
import os

PR_SET_PTRACER = 0x59616D61
"""include/uapi/linux/prctl.h; EINVAL without Yama, where nothing is asked for."""


def let_agent_trace() -> None:
    """Let the process that supervises this one, and what descends from it, trace this one."""
    if (agent := os.environ.get("FOLDWATCH_AGENT", "")).isdecimal():
        let_trace(int(agent))


def let_trace(pid: int) -> bool:
    """Let process ``pid`` and what descends from it trace this one; return whether Yama has taken it.

    Args:
        pid: The process; of another user it is refused all the same.
    """
    answer: int = ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)
    return answer == 0
