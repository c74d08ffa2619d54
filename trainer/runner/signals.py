"""Ctrl-C, SIGTERM and a closed terminal, counted instead of raised.

An exception could come between any two lines: between a process and its place in a list, between a
result and the summary. So a run is only told, and ends what it has begun.
"""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """How often somebody has asked the run to end; ``wakes`` becomes readable each time.

    A signal that is ignored (``nohup``) stays ignored. Outside the main thread none can be caught.
    """

    def __init__(self) -> None:
        self.count = 0
        self.wakes, self._bell = socket.socketpair()
        self.wakes.settimeout(0)
        self._bell.settimeout(0)
        self._before: dict[int, object] = {}
        self._bell_before: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # The bell rings whichever thread the kernel gives the signal to; the handler waits for ours.
            self._bell_before = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
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
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() itself gave
        if self._bell_before is not None:
            signal.set_wakeup_fd(self._bell_before)
        self.wakes.close()
        self._bell.close()

    def take_count(self) -> int:
        """Return the count and let ``wakes`` wait for the next."""
        with suppress(BlockingIOError):
            while self.wakes.recv(64):
                pass
        return self.count

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
