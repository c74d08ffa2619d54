"""`Interruptions`: Ctrl-C, SIGTERM and a closed terminal, counted instead of raised.

An exception could be raised between any two lines, e.g. between starting a process and listing it, or between a
result and the summary. So the run only counts the signal, and then ends its processes in order.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_SECONDS = 30.0
"""From the second signal on: enough to kill and to record what is killed, however it resists."""
INTERRUPTED = 130


class Interruptions:
    """Counts the signals that ask the run to end; ``wakes`` becomes readable each time.

    From the second one on, the run has LAST_SECONDS left, whatever it waits for: then the runner exits, and
    the supervisors end what it leaves. An ignored signal (``nohup``) stays ignored. Outside the main thread no signal can be caught.
    """

    def __init__(self) -> None:
        self.count = 0
        self.wakes, self._wakeup = socket.socketpair()
        self.wakes.settimeout(0)
        self._wakeup.settimeout(0)
        self._before: dict[int, object] = {}
        self._wakeup_before: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # The kernel may deliver the signal to any thread; Python runs the handler in this one only.
            self._wakeup_before = signal.set_wakeup_fd(
                self._wakeup.fileno(), warn_on_full_buffer=False
            )
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _exit)
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # signal() itself returned it
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        self.wakes.close()
        self._wakeup.close()

    def take_count(self) -> int:
        """Return the count and make ``wakes`` wait for the next signal."""
        with suppress(BlockingIOError):
            while self.wakes.recv(64):
                pass
        return self.count

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 2:
            signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)


def _exit(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
