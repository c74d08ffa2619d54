"""Exceptions that a signal handler of the training raises while telemetry works: they are not telemetry's to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def pass_on(error: BaseException) -> None:
    """Raise ``error`` again if a signal handler raised it: a handler that wants to stop the training must."""
    if is_from_signal_handler(error):
        raise error


def is_from_signal_handler(error: BaseException) -> bool:
    """Whether ``error`` was raised by a handler that interrupted what was being done, such as a deadline's.

    Python calls a handler with the frame that it interrupts, so in the traceback a handler's frame holds
    the frame above it, as one of its arguments.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        interrupted, trace = trace.tb_frame, trace.tb_next
        if any(_holds(value, interrupted) for value in trace.tb_frame.f_locals.values()):
            return True
    return False


def _holds(value: object, frame: FrameType) -> bool:
    return value is frame or (type(value) is tuple and any(part is frame for part in value))
