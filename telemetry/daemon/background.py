"""`Background`: calls in a thread that the end of the program does not wait for.

The threads of `concurrent.futures` are joined at the interpreter's exit: a journal of gigabytes that is being judged, or
a file system that does not answer, would keep the daemon from ending.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Background(Executor):
    """One thread, which starts at once: later, at a limit, it could not."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have ``function`` called after those that were submitted before it."""
        future: Future[T] = Future()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                    future.set_exception(error)

        self._calls.put(call)
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:  # noqa: ARG002, FBT001 - Executor has it
        """End the thread after the call that it is at; nobody waits for that."""
        if cancel_futures:
            while not self._calls.empty():
                self._calls.get()
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
