"""Exceptions that are the training's, though they are raised while telemetry works: they are not telemetry's to keep.

A class of the training's own may raise at every look at one: each is made past what such a class redefines.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # no stubs
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType


def pass_on(error: BaseException) -> None:
    """Raise ``error`` again if the training sent it: a signal handler that wants to stop it must, or another thread.

    So is what telemetry or Python made another error of: a generator turns a StopIteration into a RuntimeError.
    """
    sent: BaseException | None = error
    while sent is not None:
        if is_from_signal_handler(sent) or is_sent_by_a_thread(sent):
            raise sent
        sent = BaseException.__getattribute__(sent, "__cause__")


def is_from_signal_handler(error: BaseException) -> bool:
    """Whether ``error`` was raised by a handler that interrupted what was being done, such as a deadline's.

    Python calls a handler with the frame that it interrupts, so in the traceback a handler's frame holds
    the frame above it, as one of its arguments; a handler that has let go of it is known by its code.
    """
    trace = traceback_of(error)
    codes: set[CodeType] | None = None
    while trace is not None and trace.tb_next is not None:
        interrupted, trace = trace.tb_frame, trace.tb_next
        if any(_holds(value, interrupted) for value in trace.tb_frame.f_locals.values()):
            return True
        codes = _handler_codes() if codes is None else codes
        if trace.tb_frame.f_code in codes:
            return True
    return False


def is_sent_by_a_thread(error: BaseException) -> bool:
    """Whether another thread sent ``error`` here (PyThreadState_SetAsyncExc), as libraries for timeouts do.

    Then it comes up in telemetry's own code, which raises nothing but what Python and its library define.
    """
    if _package_of(error) in sys.stdlib_module_names:
        return False
    trace = traceback_of(error)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and _is_ours(trace.tb_frame) and not _is_ours_to_raise(error)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "telemetry"


def _is_ours_to_raise(error: BaseException) -> bool:
    return _package_of(error) == "telemetry"


def _package_of(error: BaseException) -> str:
    return str(type.__getattribute__(type(error), "__module__")).partition(".")[0]


def class_name(error: BaseException) -> str:
    """Return the name of an exception's class."""
    return str(type.__getattribute__(type(error), "__name__"))


def message_of(error: BaseException) -> str:
    """Return an exception's message; empty where its own ``__str__`` raises."""
    try:
        return str.__str__(str(error))
    except Exception as failure:  # noqa: BLE001 - whatever it raises, it says no more
        pass_on(failure)
        return ""


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return an exception's traceback."""
    trace: TracebackType | None = BaseException.__getattribute__(error, "__traceback__")
    return trace


def _handler_codes() -> set[CodeType]:
    """Return the code of every signal handler of this process that is written in Python.

    Not by the module signal: to return members of an enumeration, it keeps a ValueError that a handler raises meanwhile.
    """
    found = set()
    for number in range(1, _signal.NSIG):
        handler = _signal.getsignal(number)
        for part in (handler, getattr(handler, "__func__", None), type(handler).__call__):
            code = getattr(part, "__code__", None)
            if code is not None:
                found.add(code)
    return found


def _holds(value: object, frame: FrameType) -> bool:
    return value is frame or (type(value) is tuple and any(part is frame for part in value))
