"""What a process records as it ends: the exception that ends it or a fold, and that Python shut down.

A process that a signal or ``os._exit`` ends records neither: so a process that is gone without them was ended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from telemetry.interruption import class_name, message_of, traceback_of
from telemetry.masking import mask_forms

if TYPE_CHECKING:
    from collections.abc import Callable

RAISED = "raised"
"""The event of an exception."""
ATTRIBUTED = "attributed"
"""The event of what was found out about the code at work."""
ENDED = "interpreter_ended"
"""The event of an interpreter that shuts down, whatever its exit status will be."""
_RECORDED = "_foldwatch_recorded"
"""The attribute of an exception that is in the journal already."""
MESSAGE_KEPT = 500
"""Characters of an exception's message."""


class LastError:
    """The exception that nobody caught."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: BaseException | None = None
        """Made room for here: later there may be no memory."""


def describe(error: BaseException) -> dict[str, str]:
    """Return the facts of the event: the exception's class, its message, and where it was raised.

    Args:
        error: Any exception; one whose message cannot be made is told without.
    """
    facts = {
        "exception": class_name(error),
        "message": mask_forms(message_of(error)[:MESSAGE_KEPT]),
    }
    trace = traceback_of(error)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        code = trace.tb_frame.f_code
        facts["frame"] = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"
    return facts


def is_failure(error: BaseException) -> bool:
    """Whether an exception says that something failed or was interrupted; an exit with 0 does not."""
    return not (isinstance(error, SystemExit) and error.code in {None, 0})


def record_once(error: BaseException, write: Callable[[dict[str, str]], object]) -> None:
    """Write the facts of an exception that is a failure, once on its way up.

    At a limit on memory or on memory maps there may be no memory for that yet: it is tried again further up.

    Args:
        error: The exception.
        write: What takes the facts.

    Raises:
        MemoryError: There is none for the facts.
    """
    attributes: dict[str, object] = BaseException.__getattribute__(error, "__dict__")
    if not is_failure(error) or _RECORDED in attributes:
        return
    attributes[_RECORDED] = True  # its class may refuse attributes: a frozen dataclass
    try:
        write(describe(error))
    except MemoryError:
        del attributes[_RECORDED]
        raise
