"""``python -m trainer.process.stalled_stack PID [python]``: the stacks of a process, from outside.

Prints one JSON object: the threads with their Python and native functions, and for how many seconds the process was
stopped; or why that cannot be told. With ``python`` it is not stopped, and native functions are left out: so for one that is
stopped already, or that waits in the kernel and cannot be. Values of variables and lines of code are in none of it. It ends
itself after LONGEST_SECONDS, and with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from telemetry.kernel.process_identity import has_ended
from trainer.process.native_stacks import (
    LONGEST_NAME,
    LONGEST_SECONDS,
    PR_SET_PDEATHSIG,
    count_file_maps,
    reason_of,
    short_symbol,
    too_large,
)

if TYPE_CHECKING:
    from pystack.types import NativeFrame, PyFrame, PyThread

MOST_THREADS = 200
"""That are told of."""
MOST_FRAMES = 60
"""Of a thread, the innermost ones."""
LONGEST_PATH = 300


def main(arguments: list[str]) -> int:
    """Look at the process once and print what was found."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    found = look(int(arguments[0]), stops=arguments[1:] != ["python"])
    print(json.dumps(found), flush=True)
    return 0


def look(pid: int, *, stops: bool) -> dict[str, object]:
    """Return the stacks of process ``pid``, which is stopped meanwhile if it ``stops``."""
    try:
        threads = len(os.listdir(f"/proc/{pid}/task"))
        if words := too_large(threads, count_file_maps(pid)):
            return {"why": words}
        # Loaded before anything is stopped.
        from pystack.engine import NativeReportingMode, get_process_threads  # noqa: PLC0415

        mode = NativeReportingMode.ALL if stops else NativeReportingMode.OFF
        signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
        began = time.monotonic()
        found = list(get_process_threads(pid, stop_process=stops, native_mode=mode))
        seconds = time.monotonic() - began
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception as error:  # noqa: BLE001 - whatever pystack raises, it is only said
        return {"why": "the process had ended" if has_ended(pid) else reason_of(error)}
    told = [thread_of(thread) for thread in found[:MOST_THREADS]]
    return {"threads": told} | ({"seconds": round(seconds, 3)} if stops else {})


def thread_of(thread: PyThread) -> dict[str, Any]:
    """Return a thread's functions, the innermost last."""
    return {
        "tid": thread.tid,
        "python": [_python(frame) for frame in [*thread.frames][-MOST_FRAMES:]],
        "native": [_native(frame) for frame in thread.native_frames[-MOST_FRAMES:]],
    }


def _python(frame: PyFrame) -> dict[str, Any]:
    code = frame.code
    return {
        "function": code.scope[:LONGEST_NAME],
        "file": code.filename[-LONGEST_PATH:],
        "line": code.location.lineno,
    }


def _native(frame: NativeFrame) -> dict[str, Any]:
    return {
        "function": short_symbol(frame.symbol or "") or "?",
        "library": os.path.basename(frame.library or "")[:LONGEST_NAME],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
